import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exitCodeOfReport, formatReport, reportToJson, type VerifyReport } from "../../src/cli/verify-output.ts";
import { noClaims } from "../../src/verify/claim.ts";
import { addGoSumClaims } from "../../src/verify/go-sum.ts";
import type { Verdict } from "../../src/verify/verify.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { formatH1 } from "../../src/vindex/record.ts";

const h1 = formatH1(new Uint8Array(32).fill(1));
const H1 = `example.com/x v1.0.0 ${h1}\n`;
const H2 = `example.com/x v1.0.0 h2:${"A".repeat(43)}=\n`;
const EMPTY = "example.com/x v1.0.0/go.mod h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=\n";

/** A report of a go.sum of which every line came to the same verdict. */
function reportOf(text: string, verdict: Verdict = { status: "proven", logIndex: 7 }): VerifyReport {
  const claims = noClaims();
  addGoSumClaims(claims, text, "go.sum");
  return { claims, verdicts: claims.claims.map(() => verdict), privateModules: new Set() };
}

const summaryOf = (report: VerifyReport): string => [...formatReport(report, false)].at(-1) ?? "";

describe("a verification that proved nothing", () => {
  it("ends with 2 and says so: no lines, other hashes, the old empty go.mod, private modules", () => {
    for (const [report, why] of [
      [reportOf(""), /^nothing was proven$/],
      [reportOf(H2), /^nothing was proven, 1 could not be checked$/],
      [reportOf(EMPTY), /^nothing was proven, 1 without a checksum$/],
      [reportOf(H2 + EMPTY), /^nothing was proven, 1 could not be checked, 1 without a checksum$/],
      [reportOf(H1, { status: "private", detail: "GOPRIVATE" }), /^nothing was proven, 1 private module, not sent$/],
      [
        reportOf(H1, { status: "error", error: new ProofdnsError("NO_ANSWER", "down") }),
        /^nothing was proven, 1 could/,
      ],
    ] as const) {
      assert.equal(exitCodeOfReport(report), 2, why.source);
      assert.match(summaryOf(report), why);
      assert.equal([...reportToJson(report, 2)].at(-1)?.["proven"], 0);
    }
  });

  it("keeps the higher code of a failure", () => {
    const error = new ProofdnsError("BAD_RECORD_PROOF", "no");
    assert.equal(exitCodeOfReport(reportOf(H1, { status: "error", error })), 3);
    assert.equal(exitCodeOfReport(reportOf(H1, { status: "differs", logIndex: 1, provenHash: new Uint8Array(32) })), 3);
  });

  it("calls failed what failed, and not unchecked", () => {
    const error = new ProofdnsError("FORK", "two trees");
    const report = reportOf(H1 + H2, { status: "error", error });
    assert.match(summaryOf(report), /^nothing was proven, 1 FAILED verification, 1 could not be checked$/);
  });

  it("is not one that proved that a module is absent", () => {
    const report = reportOf(H1, { status: "absent", isModuleAbsent: true });
    assert.equal(exitCodeOfReport(report), 1);
    assert.match(summaryOf(report), /^0 checksums proven, 1 absent$/);
  });
});

describe("a line of another hash", () => {
  it("could not be checked, beside lines that are proven too", () => {
    const report = reportOf(H1 + H2);
    assert.equal(exitCodeOfReport(report), 2);
    assert.deepEqual(
      [...formatReport(report, false)],
      [
        "error    example.com/x@v1.0.0: a hash of another kind than h1:, which was not checked  (go.sum:2)",
        "1 checksum proven, 1 could not be checked",
      ],
    );
  });

  it("takes nothing from a go.sum if the go command passes it over", () => {
    assert.equal(exitCodeOfReport(reportOf(H1 + EMPTY)), 0);
  });
});
