// Our own client behind a resolver: what comes out of its cache must verify.
import { readFileSync } from "node:fs";
import { tsImport } from "tsx/esm/api";
import { ZONE } from "./world.mjs";

const load = (path) => tsImport(`../../../src/${path}`, import.meta.url);
const { Client } = await load("client/client.ts");
const { DnsTransport } = await load("client/transport-dns.ts");
const { makeTrust } = await load("client/verify/index.ts");
const { nodeEd25519, nodeSha256 } = await load("vindex/platform.ts");

const module = (path, more) => ({ kind: "module", path, ...more });
const LOOKUPS = [
  { row: "client: a module", subject: module("example.com/hello"), value: /^v=v1\.2\.0 / },
  { row: "client: an absent module", subject: module("example.com/absent"), value: undefined },
  { row: "client: a family of 50 KB", subject: { kind: "majors", basePath: "example.com/wide" }, value: /^p=v1901 / },
  {
    row: "client: all versions",
    subject: module("example.com/deep", { withVersions: true }),
    value: /^v=v1\.299\.0 /,
    versions: 300,
  },
];
export const CLIENT_ROWS = LOOKUPS.map(({ row }) => row);

/** Looks up through one resolver; twice, the second time from the cache. */
export async function checkClient({ name, address }, { policy, sumdbKey }, matrix) {
  const trust = makeTrust({
    zone: ZONE,
    policy: readFileSync(policy),
    sumdbKey,
    sha256: nodeSha256,
    ed25519: nodeEd25519(),
  });
  for (const { row, subject, value, versions } of LOOKUPS) {
    for (const time of ["first", "second"]) {
      try {
        const transport = new DnsTransport({ server: `${address}:53` });
        const lookup = await new Client({ trust, transport }).lookup(subject);
        const { kind, text = "" } = lookup.answer;
        const isRight = value === undefined ? kind === "absent" : kind !== "absent" && value.test(text);
        if (!isRight) matrix.fail(row, name, `${time} lookup: ${kind} ${text.slice(0, 100)}`);
        else if (lookup.versions?.length !== versions) matrix.fail(row, name, `${lookup.versions?.length} versions`);
        else matrix.ok(row, name);
      } catch (error) {
        matrix.fail(row, name, `${time} lookup: ${error.code} ${error.message}`);
      }
    }
  }
}
