import { threadId } from "node:worker_threads";
import type { ReplyEntry } from "../../../src/dns/reply-entry.ts";
import type { MakeResponder } from "../../../src/dns/threads/protocol.ts";
import { ELSEWHERE, type ZoneData } from "../../../src/dns/zone-data.ts";
import { concatBytes, encodeUtf8 } from "../../../src/vindex/bytes.ts";
import { nodeSha256 } from "../../../src/vindex/platform.ts";

/** What the fake is told: a text that it repeats, so that a reload shows. */
export interface FakeConfig {
  readonly text: string;
  /** Who refuses it. */
  readonly isBad?: "everywhere" | "in workers";
}

/** What this thread has computed for others. */
export const computed = { slow: 0 };

/** The key of the module that a query for `m<i>` asks. */
export const keyOf = (i: number): Uint8Array => nodeSha256(encodeUtf8(`module ${i}`));

/** The first label of the question. */
function labelOf(message: Uint8Array): string {
  return String.fromCharCode(...message.subarray(13, 13 + (message[12] ?? 0)));
}

function payload(label: string, data: ZoneData, text: string): Uint8Array {
  const number = Number(label.slice(1));
  if (/^m[0-9]+$/.test(label)) return data.moduleAnswer(keyOf(number));
  if (/^f[0-9]+$/.test(label)) return data.versionsAnswer(keyOf(number));
  switch (label) {
    case "head":
      return data.head(data.epoch);
    case "epoch":
      return encodeUtf8(`${data.epoch} ${data.headVersion}`);
    case "who":
      return encodeUtf8(String(threadId));
    case "clock":
      return encodeUtf8(String(performance.now()));
    case "text":
      return encodeUtf8(text);
    case "elsewhere":
    case "slow":
      throw ELSEWHERE;
    case "throw":
      throw new Error("a planted bug");
    case "bug":
      if (threadId !== 0) throw ELSEWHERE;
      throw new Error("a planted bug of the main thread");
    case "die":
      setImmediate(() => {
        throw new Error("a planted death");
      });
      return new Uint8Array(0);
    case "exhaust": {
      const kept: unknown[] = [];
      for (;;) kept.push(new Array(1000).fill(kept.length));
    }
    case "hang":
      for (;;);
    default:
      return new Uint8Array(0);
  }
}

/** A name server that says what the first label asks: the header of the query as a reply, and then the payload. */
export const makeResponder: MakeResponder<FakeConfig> = ({ text, isBad }, memory) => {
  if (isBad === "everywhere" || (isBad !== undefined && memory.role === "worker"))
    throw new TypeError("a bad configuration");
  const scratch = new Uint8Array(65_535);
  const write = (message: Uint8Array, content: Uint8Array): Uint8Array => {
    scratch.fill(0, 0, 12);
    scratch.set(message.subarray(0, 2));
    scratch[2] = 0x80;
    scratch.set(content, 12);
    return scratch.subarray(0, 12 + content.length);
  };
  return {
    respond(message, _asker, data) {
      try {
        return write(message, payload(labelOf(message), data, text));
      } catch (error) {
        if (error === ELSEWHERE) return ELSEWHERE;
        throw error;
      }
    },
    compute(message, asker, data) {
      const label = labelOf(message);
      if (label === "slow") {
        computed.slow++;
        for (const end = performance.now() + 120; performance.now() < end; );
      }
      if (label === "elsewhere" || label === "slow") {
        const from = encodeUtf8(`${memory.role} ${text} for ${asker.transport} ${asker.address.join(".")}`);
        return { records: from } as Partial<ReplyEntry> as ReplyEntry;
      }
      return { records: concatBytes(payload(label, data, text)) } as Partial<ReplyEntry> as ReplyEntry;
    },
    finish(message, _asker, entry) {
      return write(message, entry?.records ?? encodeUtf8("nothing"));
    },
  };
};
