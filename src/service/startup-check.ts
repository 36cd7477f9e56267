import { setTimeout } from "node:timers/promises";
import { Questions } from "../client/questions.ts";
import type { Transport } from "../client/transport.ts";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { formatCheckpoint } from "../vindex/checkpoint.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import { computeEpochLeafHash, formatLeaf } from "../vindex/leaf.ts";
import type { VerifierKey } from "../vindex/note.ts";
import { decodeHead } from "../vindex/payload.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import type { WitnessReply } from "./witness.ts";

/** Another server of the zone, asked for the newest head that it serves. */
export interface Peer {
  /** `HOST:PORT`, for people. */
  readonly name: string;
  readonly transport: Transport;
}

/** What a source knows. */
interface Known {
  readonly epoch: number;
  /** Our own key signed it. */
  readonly isSigned: boolean;
  /** It knows this log: what it does not know is no reason to wait. */
  readonly isWord: boolean;
}

/** Someone who may know a larger log than the store does. */
interface Source {
  readonly name: string;
  /** Size known there, and whether our own key signed it. Rejects with `UNREACHABLE` and its like if it cannot be asked. */
  ask(): Promise<Known>;
}

export interface StartupCheckOptions {
  readonly zone: string;
  readonly origin: string;
  readonly logKey: VerifierKey;
  readonly sumdbKey: VerifierKey;
  /** The newest epoch that the store holds a signature for; 0 for none. */
  readonly epoch: number;
  readonly peers: readonly Peer[];
  /** Submits the newest signed checkpoint to each witness as one that it should know. */
  readonly witnesses: readonly { name: string; submit: () => Promise<WitnessReply> }[];
  /** A bare size that the operator lets the log fall behind of. */
  readonly overrideSize: number | undefined;
  readonly log: (level: "info" | "alarm", message: string) => void;
  readonly signal: AbortSignal;
  /** Nothing is signed without an answer: the store is a loaded snapshot. */
  readonly needsWord: boolean;
  /** Milliseconds for which the unreachable are waited for. */
  readonly wait: number;
}

const PAUSE = 2_000;
const ed25519 = nodeEd25519();

/**
 * Before the first signature after a start: a restored backup must not sign a second tree. Witnesses and peers are asked for the newest
 * size that they know; a larger checkpoint with our own signature blocks for good, a bare larger size until the operator overrides it.
 * The unreachable are waited for, with an alarm, and then passed over. Resolves to how many have answered who know this log.
 *
 * @throws ProofdnsError `EQUIVOCATION`
 */
export async function checkBeforeSigning(options: StartupCheckOptions): Promise<number> {
  const { epoch, log, signal, needsWord } = options;
  let words = 0;
  const until = Date.now() + options.wait;
  let rest = makeSources(options);
  while (rest.length > 0 && !signal.aborted) {
    const unreachable: Source[] = [];
    for (const source of rest) {
      try {
        const known = await source.ask();
        if (known.epoch > epoch) refuseLarger(options, source.name, known);
        if (known.isWord) words++;
      } catch (error) {
        if (isProofdnsError(error, "EQUIVOCATION") || !isProofdnsError(error)) throw error;
        log(
          "alarm",
          `${source.name} cannot say what it knows of this log: ${error.message}; waiting for it before the first signature`,
        );
        unreachable.push(source);
      }
    }
    rest = unreachable;
    if (rest.length === 0 || Date.now() + PAUSE > until) break;
    // An abort ends the pause by rejecting; what follows then says so.
    await setTimeout(PAUSE, undefined, { signal }).catch(() => {});
  }
  if (signal.aborted) throw new ProofdnsError("UNREACHABLE", "stopped before the first signature");
  for (const { name } of rest)
    log(
      "alarm",
      `${name} could not be asked before the first signature${needsWord ? "" : "; signing without its word"}`,
    );
  return words;
}

function refuseLarger(options: StartupCheckOptions, name: string, known: Known): void {
  const found = `${name} knows this log at size ${known.epoch}, the store has signed ${options.epoch}`;
  if (known.isSigned) {
    throw new ProofdnsError(
      "EQUIVOCATION",
      `${found}, and the larger one is signed by this key: the store is an old backup, or another server signs with the key. Restore the newest store, or begin a new log`,
    );
  }
  if (known.epoch <= (options.overrideSize ?? 0)) return;
  throw new ProofdnsError(
    "EQUIVOCATION",
    `${found}: the store may be an old backup. Restore the newest store, or override with --override-size ${known.epoch}`,
  );
}

function makeSources(options: StartupCheckOptions): Source[] {
  const witnesses = options.witnesses.map(
    ({ name, submit }): Source => ({
      name: `the witness ${name}`,
      ask: async () => {
        const reply = await submit();
        return { epoch: reply.kind === "conflict" ? reply.treeSize : options.epoch, isSigned: false, isWord: true };
      },
    }),
  );
  // A witness can be asked only about a checkpoint that was signed; a peer always.
  const peers = options.peers.map(
    (peer): Source => ({ name: `the peer ${peer.name}`, ask: () => askPeer(peer, options) }),
  );
  return [...(options.epoch > 0 ? witnesses : []), ...peers];
}

async function askPeer(peer: Peer, options: StartupCheckOptions): Promise<Known> {
  const name = new Questions(options.zone, nodeSha256).head({});
  const reply = await peer.transport.query(name, { signal: options.signal });
  if (reply.kind !== "txt") throw new ProofdnsError("NO_ANSWER", "it serves no head of the log");
  const head = decodeHead(reply.payload, "plain");
  const leafHash = computeEpochLeafHash(formatLeaf(head, options.sumdbKey), nodeSha256);
  const rootHash = Frontier.of(head.epoch - 1, head.hashes, nodeSha256)
    .append(leafHash)
    .root();
  const text = encodeUtf8(formatCheckpoint({ origin: options.origin, treeSize: head.epoch, rootHash }));
  const isSigned = ed25519.verify(options.logKey.publicKey, text, head.logSignature);
  return { epoch: head.epoch, isSigned, isWord: isSigned };
}
