import type { SizeSummary } from "./distribution.ts";
import type { PlotSpec } from "./render.mjs";

/** One point of module answers by size of the tree. */
export interface TreePoint {
  readonly keys: number;
  readonly summary: SizeSummary;
}

const FONT = "Helvetica, Arial, sans-serif";
const CONFIG = {
  background: "white",
  font: FONT,
  axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal" as const, gridColor: "#e4e4e4" },
  legend: { labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal" as const },
  title: { fontSize: 13, fontWeight: "normal" as const, anchor: "start" as const },
  view: { stroke: null },
};
const LIMIT_LINE = {
  mark: { type: "rule" as const, color: "#b3261e", strokeDash: [5, 3] },
  encoding: { y: { field: "limit", type: "quantitative" as const } },
  data: { values: [{ limit: 1232 }] },
};
const KEYS_AXIS = { title: "keys in the map", format: "~s", grid: false };

/** Sizes of signed module answers as the map grows: median, 90th and 99th percentile and the longest. */
export function answerPlot(points: readonly TreePoint[]): PlotSpec {
  const values = points.flatMap(({ keys, summary }) =>
    (["p50", "p90", "p99", "max"] as const).map((quantile) => ({ keys, quantile, bytes: summary[quantile] })),
  );
  return {
    title: "Module answer with RRSIG, bytes on the wire (dashed: the 1,232 of UDP)",
    width: 560,
    height: 280,
    config: CONFIG,
    layer: [
      {
        data: { values },
        mark: { type: "line", point: true },
        encoding: {
          x: { field: "keys", type: "quantitative", scale: { type: "log" }, axis: KEYS_AXIS },
          y: { field: "bytes", type: "quantitative", axis: { title: "bytes" }, scale: { zero: false } },
          color: { field: "quantile", type: "nominal", sort: ["max", "p99", "p90", "p50"], title: null },
        },
      },
      LIMIT_LINE,
    ],
  };
}

/** Which share of module answers is at most so long, with and without signature, at one size of the map. */
export function sharePlot(
  title: string,
  curves: readonly { name: string; shares: readonly { size: number; share: number }[] }[],
): PlotSpec {
  const values = curves.flatMap(({ name, shares }) => {
    let below = 0;
    return shares.map(({ size, share }) => {
      below += share;
      return { form: name, bytes: size, share: Math.round(below * 1e5) / 1e5 };
    });
  });
  return {
    title,
    width: 560,
    height: 280,
    config: CONFIG,
    layer: [
      {
        data: { values },
        mark: { type: "line", interpolate: "step-after" },
        encoding: {
          x: { field: "bytes", type: "quantitative", scale: { zero: false }, axis: { title: "bytes", grid: false } },
          y: { field: "share", type: "quantitative", axis: { title: "share of answers at most so long", format: "%" } },
          color: { field: "form", type: "nominal", sort: curves.map(({ name }) => name), title: null },
        },
      },
      {
        data: { values: [{ limit: 1232 }] },
        mark: { type: "rule", color: "#b3261e", strokeDash: [5, 3] },
        encoding: { x: { field: "limit", type: "quantitative" } },
      },
    ],
  };
}

/** One line of heads: median size by how far the client is behind. */
export interface HeadPoint {
  readonly cosigners: string;
  readonly behind: number;
  readonly bytes: number;
}

/** Sizes of `s<m>._head` with RRSIG by epochs behind. */
export function headPlot(points: readonly HeadPoint[]): PlotSpec {
  return {
    title: "Head since the client's epoch, with RRSIG: 99th percentile in bytes (dashed: 1,232)",
    width: 560,
    height: 280,
    config: CONFIG,
    layer: [
      {
        data: { values: [...points] },
        mark: { type: "line", point: true },
        encoding: {
          x: {
            field: "behind",
            type: "quantitative",
            scale: { type: "log" },
            axis: { title: "epochs of ten minutes behind (144 a day, 52,560 a year)", format: "~s", grid: false },
          },
          y: { field: "bytes", type: "quantitative", axis: { title: "bytes" } },
          color: { field: "cosigners", type: "nominal", sort: null, title: null },
        },
      },
      LIMIT_LINE,
    ],
  };
}

/** Bytes of an attacked answer by the logarithm of the hashes that the attacker computes. */
export function attackPlot(points: readonly { logTrials: number; bytes: number }[]): PlotSpec {
  return {
    title: "Typical module answer with RRSIG under attack (2.5 M keys; dashed: 1,232)",
    width: 560,
    height: 280,
    config: CONFIG,
    layer: [
      {
        data: { values: [...points] },
        mark: { type: "line" },
        encoding: {
          x: {
            field: "logTrials",
            type: "quantitative",
            axis: { title: "log2 of the names that the attacker hashes", grid: false },
          },
          y: { field: "bytes", type: "quantitative", axis: { title: "bytes" }, scale: { zero: false } },
        },
      },
      LIMIT_LINE,
    ],
  };
}
