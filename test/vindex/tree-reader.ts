import { parentPort } from "node:worker_threads";
import { FlatTree, MAX_PATH_LENGTH, type TreeBuffer, type TreeRoot } from "../../src/vindex/flat-tree.ts";
import { decodePathProof, verifyInclusionProof, verifyNonInclusionProof } from "../../src/vindex/path-proof.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { hashOf } from "./samples.ts";

/**
 * A thread that reads proofs from the tree it was shown last, as fast as it can, and verifies each under the root
 * that came with the tree. It says which tree it reads, and at the end how much it read.
 */

/** Keys are `hashOf` of numbers below this. */
export interface ShownTree {
  readonly number: number;
  readonly buffer: TreeBuffer;
  readonly root: TreeRoot;
  readonly keys: number;
}

export type ReaderSays =
  | { readonly kind: "reads"; readonly number: number }
  | { readonly kind: "done"; readonly proofs: number; readonly absent: number };

const out = new Uint8Array(MAX_PATH_LENGTH);
let tree: FlatTree | undefined;
let keys: Uint8Array[] = [];
let isDone = false;
let next = 1;
let proofs = 0;
let absent = 0;

function readSome(from: FlatTree): void {
  const { rootHash } = from.root;
  for (let n = 0; n < 100; n++) {
    next = (next * 1_103_515_245 + 12_345) % 2 ** 31;
    const indexKey = keys[next % keys.length] as Uint8Array;
    const leaf = from.findLeaf(indexKey);
    const end = from.writeFoundPath(out, 0);
    const { proof, end: decoded } = decodePathProof(out.subarray(0, end), 0);
    if (decoded !== end) throw new Error("a path of another length");
    const value = from.leafValue(-1 - leaf);
    if (from.isKeyOf(leaf, indexKey)) verifyInclusionProof(proof, indexKey, value, rootHash, nodeSha256);
    else {
      verifyNonInclusionProof(proof, indexKey, { indexKey: from.leafKey(-1 - leaf), value }, rootHash, nodeSha256);
      absent++;
    }
    proofs++;
  }
}

const port = parentPort;
if (port !== null) {
  const say = (message: ReaderSays): void => port.postMessage(message);
  const turn = (): void => {
    if (isDone) {
      say({ kind: "done", proofs, absent });
      port.close();
      return;
    }
    if (tree !== undefined) readSome(tree);
    setImmediate(turn);
  };
  port.on("message", (shown: ShownTree | "end") => {
    if (shown === "end") {
      isDone = true;
      return;
    }
    if (keys.length === 0) keys = Array.from({ length: shown.keys }, (_, i) => hashOf(i));
    tree = FlatTree.attach(shown.buffer, shown.root);
    say({ kind: "reads", number: shown.number });
  });
  turn();
}
