import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { bindError } from "../dns/bind-error.ts";
import { readGoSumFiles } from "../sumdb/go-sum.ts";
import { type ModuleRecord, readRecordsFile } from "../sumdb/records-file.ts";
import { SumdbServer } from "../sumdb/server.ts";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { isKeyName, KEY_TYPE_ED25519 } from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { formatRecord } from "../vindex/record.ts";
import { formatHostPort, type HostPort, parseHostPort } from "./host-port.ts";
import { readOrMakeSignerKey } from "./key-file.ts";
import { waitForSignal } from "./signal.ts";

interface SumdbOptions {
  readonly records?: string;
  readonly goSum?: string[];
  readonly listen: string;
  readonly data: string;
  readonly name: string;
  readonly size?: string;
  readonly testControl?: boolean;
}

const KEY_FILE = "sumdb.key";

/** Makes the command `proofdns sumdb`: a checksum database over records from files, for private modules and tests. */
export function makeSumdbCommand(): Command {
  return new Command("sumdb")
    .description("serve a Go checksum database made of a records file or of go.sum files")
    .option("--records <file>", "records in log order: module, version, h1zip, h1mod, tab-separated; may be gzipped")
    .option("--go-sum <file...>", "go.sum files; their order is the log order")
    .requiredOption("--listen <host:port>", "where to serve, e.g. 127.0.0.1:8080; port 0 takes a free one")
    .requiredOption("--data <dir>", `directory of the signing key, ${KEY_FILE}; made at the first start`)
    .option("--name <key name>", "name of the signing key, host or host/path", "sumdb.localhost")
    .option("--size <n>", "serve only the first n records")
    .option("--test-control", "let POST /ctl/size?n=N grow the tree; for tests only", false)
    .action(async (options: SumdbOptions) => serve(options));
}

/** Serves until SIGINT or SIGTERM. All input is read and checked before anything is written or bound. */
async function serve(options: SumdbOptions): Promise<void> {
  const address = parseHostPort(options.listen, "--listen");
  checkName(options.name);
  const { records, leftOut } = await readInput(options);
  const size = parseSize(options.size, records.length);
  const server = new SumdbServer({
    signerKey: await openKey(options.data, options.name),
    records: recordTexts(records),
    size,
    testControl: options.testControl,
    sha256: nodeSha256,
    ed25519: nodeEd25519(),
  });
  const bound = await listen(server, address);
  const stopped = waitForSignal();
  const listening = formatHostPort(bound);
  if (leftOut > 0)
    console.error(
      `left out ${leftOut} module version${leftOut === 1 ? " that lacks one of its" : "s that lack one of their"} two go.sum lines`,
    );
  console.error(`serving ${server.size} of ${server.recordCount} records on ${listening}`);
  const ready = {
    ready: true,
    listen: listening,
    url: `http://${listening}`,
    vkey: server.verifierKey,
    size: server.size,
    records: server.recordCount,
    leftOut,
  };
  console.log(JSON.stringify(ready));
  console.error(`stopping on ${await stopped}`);
  await server.close();
}

function* recordTexts(records: readonly ModuleRecord[]): Generator<Uint8Array> {
  for (const { modulePath, version, zipHash, goModHash } of records) {
    yield encodeUtf8(formatRecord(modulePath, version, zipHash, goModHash));
  }
}

async function readInput({
  records: file,
  goSum,
}: SumdbOptions): Promise<{ records: ModuleRecord[]; leftOut: number }> {
  if ((file === undefined) === (goSum === undefined)) {
    throw new ProofdnsError("MALFORMED_INPUT", "give either --records FILE or --go-sum FILE..., and not both");
  }
  if (goSum !== undefined) {
    const { records, leftOut, otherHashes } = await readGoSumFiles(goSum);
    if (otherHashes > 0) console.error(`passed over ${otherHashes} go.sum lines with another hash than h1:`);
    return { records: [...records], leftOut };
  }
  const records: ModuleRecord[] = [];
  for await (const record of readRecordsFile(file as string)) records.push(record);
  return { records, leftOut: 0 };
}

function parseSize(text: string | undefined, recordCount: number): number | undefined {
  if (text === undefined) return undefined;
  const size = parseDecimal(text);
  if (size === undefined || size > recordCount) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--size ${text}: give a number from 0 to ${recordCount}, the records there are`,
    );
  }
  return size;
}

/** The go command takes the key's name for a host and path, and refuses others. */
function checkName(name: string): void {
  if (!isKeyName(name) || !/^[A-Za-z0-9.-]+(?:\/[A-Za-z0-9._~-]+)*$/.test(name)) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--name ${JSON.stringify(name)}: give a host or host/path, like sum.example.org`,
    );
  }
}

async function openKey(directory: string, name: string): ReturnType<typeof readOrMakeSignerKey> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ProofdnsError("KEY_UNUSABLE", `cannot make the directory ${directory}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return readOrMakeSignerKey(join(directory, KEY_FILE), name, KEY_TYPE_ED25519, (message) => console.error(message));
}

async function listen(server: SumdbServer, address: HostPort): Promise<HostPort> {
  try {
    return await server.listen(address);
  } catch (cause) {
    throw bindError(`listen on ${formatHostPort(address)}`, "--listen", cause);
  }
}
