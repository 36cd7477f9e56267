import { Session } from "node:inspector/promises";

/** Files of the tree's hashing: laying messages out for the lanes, the lanes, and taking digests back. */
const HASHING = /(tree-slab-hash|sha256-lanes)\.(ts|js)$|^wasm:/;

/** The share of CPU time that hashing has in `work`, by samples of the profiler of V8. Runs it once. */
export async function hashingShare(work: () => void): Promise<number> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: 200 });
    await session.post("Profiler.start");
    work();
    const { profile } = await session.post("Profiler.stop");
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    let hashing = 0;
    let all = 0;
    for (const [i, id] of (profile.samples ?? []).entries()) {
      const frame = frames.get(id);
      const time = profile.timeDeltas?.[i] ?? 0;
      if (frame === undefined || frame.functionName === "(idle)") continue;
      all += time;
      if (HASHING.test(frame.url) || frame.functionName.startsWith("wasm-function")) hashing += time;
    }
    return hashing / all;
  } finally {
    session.disconnect();
  }
}
