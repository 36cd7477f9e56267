import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { decodeUtf8, encodeUtf8 } from "../vindex/bytes.ts";
import { formatTreeHead } from "../vindex/checkpoint.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import type { Ed25519 } from "../vindex/ed25519.ts";
import { ed25519 as defaultEd25519 } from "../vindex/ed25519-signer.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatNote, formatVerifierKey, type SignerKey, signNote } from "../vindex/note.ts";
import { sha256 as defaultSha256, type Sha256 } from "../vindex/sha256.ts";
import { DATA_LEVEL, parseTilePath, TILE_HEIGHT, TILE_WIDTH } from "../vindex/tile.ts";
import { formatDataTile } from "./data-tile.ts";
import { unescapePath, unescapeVersion } from "./escape.ts";
import { RecordLog } from "./record-log.ts";

/** What the server answers to one request. */
export interface Reply {
  readonly status: number;
  readonly body: Uint8Array;
  readonly contentType: "text/plain; charset=utf-8" | "application/octet-stream";
}

export interface SumdbServerOptions {
  /** Signs the tree heads; type 0x01. */
  readonly signerKey: SignerKey;
  /** Record texts in log order, each ending in LF and without a blank line. They are copied. */
  readonly records: Iterable<Uint8Array>;
  /** Records served at first; all by default. */
  readonly size?: number | undefined;
  /** Lets `POST /ctl/size?n=N` grow the tree. Off by default. */
  readonly testControl?: boolean | undefined;
  readonly sha256?: Sha256;
  readonly ed25519?: Ed25519;
}

/** Longest request target; a lookup of the longest names that exist has 300 bytes. */
const MAX_TARGET_LENGTH = 4096;
const LOOKUP_VERSION = /^v[0-9]+\.[0-9]+\.[0-9]+(?:-[^@]*)?(?:\+incompatible)?$/;

/**
 * A Go checksum database over HTTP, as the go command asks it: `/latest`, `/lookup/<path>@<version>`,
 * `/tile/8/<level>/<index>[.p/<width>]` and `/tile/8/data/…`. It serves what it was given and never fetches anything.
 * A module version with more than one record is looked up as its first.
 */
export class SumdbServer {
  readonly #log: RecordLog;
  readonly #firstIndex: Map<string, number> = new Map();
  readonly #signerKey: SignerKey;
  readonly #ed25519: Ed25519;
  readonly #testControl: boolean;
  #size = 0;
  #note = "";
  #server: Server | undefined;

  constructor(options: SumdbServerOptions) {
    this.#signerKey = options.signerKey;
    this.#ed25519 = options.ed25519 ?? defaultEd25519;
    this.#testControl = options.testControl ?? false;
    this.#log = new RecordLog(options.sha256 ?? defaultSha256);
    for (const text of options.records) {
      const logIndex = this.#log.append(text);
      const name = moduleVersionOf(text);
      if (name !== undefined && !this.#firstIndex.has(name)) this.#firstIndex.set(name, logIndex);
    }
    this.setSize(options.size ?? this.#log.recordCount);
  }

  /** The vkey that clients need. */
  get verifierKey(): string {
    return formatVerifierKey(this.#signerKey.verifierKey);
  }

  /** Number of records in the signed tree. */
  get size(): number {
    return this.#size;
  }

  get recordCount(): number {
    return this.#log.recordCount;
  }

  /** Grows the signed tree to its first `size` records. A size below the present one is a RangeError: it would be a rollback. */
  setSize(size: number): void {
    if (!Number.isSafeInteger(size) || size < this.#size || size > this.#log.recordCount) {
      throw new RangeError(`the size can grow from ${this.#size} to ${this.#log.recordCount}, not to ${size}`);
    }
    const text = formatTreeHead(this.#log.treeHead(size));
    this.#note = formatNote(text, [signNote(text, this.#signerKey, this.#ed25519)]);
    this.#size = size;
  }

  /** Answers a request; every method and target has an answer. */
  respond(method: string, target: string): Reply {
    if (target.length > MAX_TARGET_LENGTH) return explain(414, "the URL is too long");
    const queryAt = target.indexOf("?");
    const path = decodePath(queryAt < 0 ? target : target.slice(0, queryAt));
    const query = queryAt < 0 ? "" : target.slice(queryAt + 1);
    if (path === undefined) return explain(400, "the URL is malformed");
    if (this.#testControl && method === "POST" && path === "/ctl/size") return this.#control(query);
    if (method !== "GET" && method !== "HEAD") return explain(405, "only GET and HEAD");
    if (path === "/latest") return text(200, this.#note);
    try {
      if (path.startsWith("/lookup/")) return this.#lookup(path.slice("/lookup/".length));
      if (path.startsWith("/tile/")) return this.#tile(path.slice(1));
    } catch (error) {
      if (error instanceof ProofdnsError) return explain(400, error.message);
      throw error;
    }
    return explain(404, "a checksum database: /latest, /lookup/<module>@<version>, /tile/8/...");
  }

  /** Listener of a node:http server; a test may wrap it to misbehave. */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    const method = request.method ?? "";
    const { status, body, contentType } = this.respond(method, request.url ?? "");
    response.writeHead(status, {
      "content-type": contentType,
      "content-length": body.length,
      "x-content-type-options": "nosniff",
      ...(status === 405 ? { allow: "GET, HEAD" } : {}),
      // A request with a body is not read to its end.
      ...(method === "GET" || method === "HEAD" ? {} : { connection: "close" }),
    });
    response.end(method === "HEAD" ? undefined : body);
  };

  /** Binds a port, 0 for any that is free, and returns the address it got. */
  async listen(address: { readonly host: string; readonly port: number }): Promise<{ host: string; port: number }> {
    if (this.#server !== undefined) throw new TypeError("it listens already");
    const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, this.handler);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(address.port, address.host, resolve);
    });
    this.#server = server;
    const bound = server.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  }

  /** Stops listening and ends all connections, idle ones too. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #lookup(escaped: string): Reply {
    const [path, version, ...more] = escaped.split("@");
    if (path === undefined || version === undefined || more.length > 0 || !LOOKUP_VERSION.test(version)) {
      return explain(400, "a lookup is /lookup/<module>@<version>, with a version like v1.2.3");
    }
    const name = `${unescapePath(path)}@${unescapeVersion(version)}`;
    const logIndex = this.#firstIndex.get(name);
    if (logIndex === undefined || logIndex >= this.#size)
      return explain(404, `${name} is not in this checksum database`);
    const [record] = this.#log.texts(logIndex, logIndex + 1);
    return text(200, `${logIndex}\n${decodeUtf8(record as Uint8Array)}\n${this.#note}`);
  }

  #tile(tilePath: string): Reply {
    const { height, level, index, width } = parseTilePath(tilePath);
    if (height !== TILE_HEIGHT) return explain(404, `tiles have height ${TILE_HEIGHT}`);
    const first = index * TILE_WIDTH;
    const treeLevel = level === DATA_LEVEL ? 0 : TILE_HEIGHT * level;
    if (first + width > Math.floor(this.#size / 2 ** treeLevel)) {
      return explain(404, `${tilePath} is not in the tree of size ${this.#size}`);
    }
    const body =
      level === DATA_LEVEL
        ? formatDataTile(this.#log.texts(first, first + width))
        : this.#log.hashes(treeLevel, first, width);
    return { status: 200, body, contentType: "application/octet-stream" };
  }

  #control(query: string): Reply {
    const size = query.startsWith("n=") ? parseDecimal(query.slice(2)) : undefined;
    if (size === undefined) return explain(400, "expected POST /ctl/size?n=<size>");
    try {
      this.setSize(size);
    } catch (error) {
      if (error instanceof RangeError) return explain(400, error.message);
      throw error;
    }
    return text(200, `${size}\n`);
  }
}

/** What a record is looked up by, `<path>@<version>` of its first line; undefined if no lookup could show it. */
function moduleVersionOf(record: Uint8Array): string | undefined {
  const [path, version, hash] = decodeUtf8(record)?.split("\n", 1)[0]?.split(" ") ?? [];
  return path === undefined || version === undefined || hash === undefined ? undefined : `${path}@${version}`;
}

function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function text(status: number, body: string): Reply {
  return { status, body: encodeUtf8(body), contentType: "text/plain; charset=utf-8" };
}

function explain(status: number, why: string): Reply {
  return text(status, `${why}\n`);
}
