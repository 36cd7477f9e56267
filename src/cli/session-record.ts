import type { WithLeaf } from "../client/answer-cache.ts";
import type { ClaimedRecord } from "../client/client.ts";
import type { VerifiedHead } from "../client/verify/index.ts";
import { printable } from "../input/printable.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { Session } from "./client-options.ts";
import { messageOf } from "./exit-code.ts";

/** How a record was proven. */
export interface RecordOutcome {
  /** Unix seconds: age time of the head that the proof is under, 0 if nothing proves it. */
  readonly ageTime: number;
  /** DNS queries made for it. */
  readonly queries: number;
  /** With the tree head of the checksum database that it was proven under. */
  readonly leaf: WithLeaf["leaf"];
}

export interface RecordRequest {
  /** The head under which it is asked, if it is asked. Default: the newest. */
  readonly head?: VerifiedHead;
  readonly signal?: AbortSignal;
}

/** Why a record is not proven without a network. */
export function noKeptRecord({ path, version }: ClaimedRecord): ProofdnsError {
  const name = printable(`${path}@${version}`);
  return new ProofdnsError(
    "NO_ANSWER",
    `no proof of the record of ${name} is kept; run this once without --offline, which keeps it`,
  );
}

/**
 * Proves a record: by a kept proof, and that the checksum database it is under and that of the newest head are one (spec/client.md §10); else by
 * asking for it, and keeping what came. Without a network the kept proof alone.
 *
 * @throws ProofdnsError as `Client.proveRecord` and `AnswerCache.readRecord`; `NO_ANSWER` if none is kept and nobody may be asked
 */
export async function proveRecord(
  session: Pick<Session, "client" | "cache" | "later" | "isOffline">,
  record: ClaimedRecord,
  { head, signal }: RecordRequest = {},
): Promise<RecordOutcome> {
  const { client, cache, later, isOffline } = session;
  const call = { ...(signal === undefined ? {} : { signal }), ...(head === undefined ? {} : { head }) };
  const kept = await cache.readRecord(record, { isOffline });
  if (isOffline) {
    if (kept !== undefined) return { ageTime: kept.head.ageTime, queries: 0, leaf: kept.head.leaf };
    throw noKeptRecord(record);
  }
  if (kept !== undefined) {
    try {
      const queries = await client.proveContinuity(kept.head, record, call);
      keepExtensions(session);
      return { ageTime: kept.head.ageTime, queries, leaf: kept.head.leaf };
    } catch (error) {
      // Who has no proof from so old a tree may have one of the record itself. What contradicts that tree ends the search.
      if (!isProofdnsError(error) || error.kind === "false") throw error;
    }
  }
  const proof = await client.recordProof(record, call);
  keepExtensions(session);
  // What is kept may be all that tells of a fork: it stays.
  if (kept === undefined) later.add((signal) => cache.writeRecord(record, proof, client, { signal }));
  else await saySuspicion(session, kept.head, proof.head);
  return { ageTime: proof.head.ageTime, queries: proof.queries, leaf: proof.head.leaf };
}

/**
 * Proves that an old head, which dates records, is of one checksum database with the record that was proven under `leaf` (spec/client.md §6): without
 * a network by kept extensions.
 *
 * @throws ProofdnsError as `Client.proveAgeTree`; `NO_ANSWER` if no such proof is kept and nobody may be asked
 */
export async function proveAge(
  session: Pick<Session, "client" | "cache" | "later" | "isOffline">,
  age: WithLeaf,
  record: WithLeaf,
  call: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  if (!session.isOffline) {
    await session.client.proveAgeTree(age, call);
    keepExtensions(session);
  } else if (!(await session.cache.areOneTree(age, record))) {
    const what = "that the checksum database of an older head goes on to that of the record";
    throw new ProofdnsError("NO_ANSWER", `no proof ${what} is kept; run this once without --offline, which keeps it`);
  }
}

function keepExtensions({ client, cache, later }: Pick<Session, "client" | "cache" | "later">): void {
  for (const extension of client.takeExtensions()) later.add(() => cache.writeExtension(extension));
}

async function saySuspicion(
  { client }: Pick<Session, "client">,
  kept: VerifiedHead,
  head: VerifiedHead,
): Promise<void> {
  let where: string | undefined;
  try {
    where = await client.keepSuspicion(kept, head);
  } catch (error) {
    where = `nowhere (${messageOf(error)})`;
  }
  if (where === undefined) return;
  console.error(
    `proofdns: records are proven, but no proof came that the checksum database of ${sizeOf(head)} records continues the one of ${sizeOf(kept)} that was proven before: the server may have lost proofs, or somebody hides a fork; both tree heads are kept in ${printable(where, 400)}`,
  );
}

function sizeOf({ leaf }: WithLeaf): number {
  return leaf.treeHead.treeSize;
}
