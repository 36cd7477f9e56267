import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseWitness, type Witness } from "../../src/service/witness.ts";
import { formatBase64, parseBase64 } from "../../src/vindex/base64.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { parseCheckpoint } from "../../src/vindex/checkpoint.ts";
import { cosign, cosignatureToNote } from "../../src/vindex/cosignature.ts";
import {
  formatKeyId,
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  makeSignerKey,
  type SignerKey,
  type VerifierKey,
  verifyNote,
} from "../../src/vindex/note.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { verifyConsistencyProof } from "../../src/vindex/tlog.ts";
import { ed25519 } from "./world.ts";

/**
 * A witness (c2sp.org/tlog-witness) over HTTP that really checks: the log's signature, the size that the log believes it to
 * have, and the consistency proof. What it cosigned last is all that it remembers.
 */
export class FakeWitness {
  readonly key: SignerKey;
  readonly #logKey: VerifierKey;
  readonly #server: Server;
  /** Bodies of all requests. */
  readonly requests: string[] = [];
  /** Status of each answer. */
  readonly statuses: number[] = [];
  size = 0;
  root: Uint8Array = new Uint8Array(32);
  /** Unix seconds. */
  now = (): number => Math.floor(Date.now() / 1000);
  /** Milliseconds before each answer. */
  delay = 0;
  /** An answer instead of the honest one. */
  lie: ((body: string) => { status: number; body: string } | undefined) | undefined;

  private constructor(logKey: VerifierKey, seed: number) {
    this.#logKey = logKey;
    this.key = makeSignerKey(`w${seed}.example.net`, KEY_TYPE_COSIGNATURE, new Uint8Array(32).fill(seed), ed25519);
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString("utf8");
        this.requests.push(body);
        const answer = this.lie?.(body) ?? this.#answer(request.method, request.url, body);
        this.statuses.push(answer.status);
        void sleep(this.delay).then(() => response.writeHead(answer.status).end(answer.body));
      });
    });
  }

  static async start(logKey: VerifierKey, seed: number): Promise<FakeWitness> {
    const witness = new FakeWitness(logKey, seed);
    await new Promise<void>((resolve) => witness.#server.listen(0, "127.0.0.1", resolve));
    return witness;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/submit`;
  }

  /** As an operator names it. */
  get option(): Witness {
    return parseWitness(`${formatVerifierKey(this.key.verifierKey)} ${this.url}/`);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(method: string | undefined, url: string | undefined, body: string): { status: number; body: string } {
    const refuse = (status: number, why: string): { status: number; body: string } => ({ status, body: `${why}\n` });
    if (method !== "POST" || url !== "/submit/add-checkpoint") return refuse(404, "POST /add-checkpoint");
    const end = body.indexOf("\n\n");
    const [old = "", ...lines] = body.slice(0, end).split("\n");
    const oldSize = /^old (0|[1-9][0-9]*)$/.exec(old)?.[1];
    const proof = lines.map(parseBase64);
    if (end < 0 || oldSize === undefined || proof.some((hash) => hash?.length !== 32)) return refuse(400, "malformed");
    let text: string;
    try {
      text = verifyNote(body.slice(end + 2), this.#logKey, ed25519).text;
    } catch {
      return refuse(403, "no signature of a log that I know");
    }
    const checkpoint = parseCheckpoint(text);
    if (Number(oldSize) !== this.size) return refuse(409, String(this.size));
    if (checkpoint.treeSize < this.size) return refuse(400, "smaller than its own old size");
    try {
      if (this.size === 0) {
        if (proof.length > 0) return refuse(422, "a proof from nothing");
      } else {
        const hashes = proof as Uint8Array[];
        verifyConsistencyProof(hashes, this.size, this.root, checkpoint.treeSize, checkpoint.rootHash, nodeSha256);
      }
    } catch {
      return refuse(422, "not consistent");
    }
    this.size = checkpoint.treeSize;
    this.root = checkpoint.rootHash;
    const { keyName, keyId } = this.key.verifierKey;
    const { blob } = cosignatureToNote(cosign(text, this.now(), this.key, ed25519), keyName);
    const id = Uint8Array.from(Buffer.from(formatKeyId(keyId), "hex"));
    return { status: 200, body: `\u2014 ${keyName} ${formatBase64(concatBytes(id, blob))}\n` };
  }
}
