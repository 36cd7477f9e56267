import { growth, type Point } from "./trend.ts";
import { STYLES, VICTIMS, victimCounters } from "./victims.ts";

/** All that is judged. */
export interface Outcome {
  readonly minutes: number;
  /** Queries per second that were asked for, and that were made. */
  readonly rate: number;
  readonly madeRate: number;
  /** Queries per second in the name of each victim. */
  readonly victimRate: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly verified: number;
  readonly wrong: number;
  readonly epochs: number;
  /** CPU that the server could have used besides and others had, in cores. */
  readonly waitedCores: number;
  /** Seconds between two epochs. */
  readonly epochTime: number;
  /** Resident memory of the server in bytes, from the start. */
  readonly memory: readonly Point[];
  readonly isReady: boolean;
  /** How the server ended: `0` is as it should. */
  readonly ended: string;
}

/** A goal, and whether it is reached. */
export interface Goal {
  readonly what: string;
  readonly found: string;
  readonly verdict: "PASS" | "MISS" | "not judged";
}

/** Answers that are verified at least. */
const MIN_VERIFIED = 10_000;
/** Most bytes that reach victims, for each that was sent in their name. */
const MAX_AMPLIFICATION = 3;
/** Queries per second of a flood at least: below the limits of the server an answer is an answer, and each amplifies. */
const MIN_FLOOD = 600;
/** Minutes before the memory is judged, and of a run at least. */
const WARM_UP = 5;
const MIN_TREND = 10;
const MAX_GROWTH = 0.01;
/** Share of the queries with a cookie, and of those by TCP, that may get no answer. */
const MAX_LOST = 1e-4;
/** Above this many cores waited for, what is lost is lost by a machine that is too small or has other work. */
const MAX_WAITED = 0.1;

/** Bytes out for each byte in: of all victims, of the one with most, and of each style of flood. */
export function amplifications(counts: ReadonlyMap<string, number>): {
  all: number;
  worst: number;
  byStyle: Record<string, number>;
} {
  const ratio = (cells: readonly { asked: string; received: string }[]): number => {
    const sum = (of: "asked" | "received"): number => cells.reduce((all, cell) => all + (counts.get(cell[of]) ?? 0), 0);
    return sum("received") / sum("asked");
  };
  const victims = Array.from({ length: VICTIMS }, (_, victim) =>
    STYLES.map((_style, style) => victimCounters(victim, style)),
  );
  return {
    all: ratio(victims.flat()),
    worst: Math.max(...victims.map(ratio)),
    byStyle: Object.fromEntries(
      STYLES.map((name, style) => [name, ratio(victims.map((cells) => cells[style] as (typeof cells)[number]))]),
    ),
  };
}

/** The growth of the memory after the first minutes, as a share of its mean. */
export function memoryGrowth(memory: readonly Point[]): number {
  return growth(memory.filter(({ time }) => time >= 60 * WARM_UP));
}

/** The same of the least of each minute: less noisy, since a collector gives memory back in steps. */
export function memoryFloorGrowth(memory: readonly Point[]): number {
  const floors = new Map<number, Point>();
  for (const point of memory) {
    if (point.time < 60 * WARM_UP) continue;
    const minute = Math.floor(point.time / 60);
    const floor = floors.get(minute);
    if (floor === undefined || point.value < floor.value) floors.set(minute, { time: 60 * minute, value: point.value });
  }
  return growth([...floors.values()]);
}

/** Judges a run. */
export function judge(outcome: Outcome): Goal[] {
  const { counts, minutes } = outcome;
  const count = (what: string): number => counts.get(what) ?? 0;
  const goal = (what: string, holds: boolean, found: string): Goal => ({
    what,
    found,
    verdict: holds ? "PASS" : "MISS",
  });
  const { all, worst } = amplifications(counts);
  const asked = count("unlimited asked");
  const unanswered = count("unlimited lost") + count("unlimited truncated") + count("unlimited failed");
  const tcpAsked = count("tcp asked");
  const tcpUnanswered = count("tcp lost") + count("tcp failed");
  const wrong = outcome.wrong + count("wrong");
  const grown = memoryGrowth(outcome.memory);
  const expectedEpochs = (0.8 * 60 * minutes) / outcome.epochTime;
  return [
    goal(
      `the load was made: at least 90 % of ${outcome.rate} queries/s`,
      outcome.madeRate >= 0.9 * outcome.rate,
      `${Math.round(outcome.madeRate)} queries/s`,
    ),
    goal(`at least ${MIN_VERIFIED} answers verified`, outcome.verified >= MIN_VERIFIED, String(outcome.verified)),
    goal("no wrong answer", wrong === 0, String(wrong)),
    judgeLoss("queries with a cookie", unanswered, asked, outcome.waitedCores),
    judgeLoss("pipelined queries by TCP", tcpUnanswered, tcpAsked, outcome.waitedCores),
    judgeAmplification("all victims", all, outcome.victimRate),
    judgeAmplification("the worst victim", worst, outcome.victimRate),
    goal(
      `an epoch every ${outcome.epochTime} s or so`,
      outcome.epochs >= expectedEpochs,
      `${outcome.epochs} in ${minutes} minutes`,
    ),
    minutes < MIN_TREND
      ? { what: "memory does not grow", found: `a run of less than ${MIN_TREND} minutes`, verdict: "not judged" }
      : goal(
          `memory grows less than ${100 * MAX_GROWTH} % from minute ${WARM_UP} on`,
          grown < MAX_GROWTH,
          `${(100 * grown).toFixed(2)} %`,
        ),
    goal("ready at the end", outcome.isReady, String(outcome.isReady)),
    goal("ends with 0 on SIGTERM", outcome.ended === "0", outcome.ended),
  ];
}

function judgeLoss(which: string, unanswered: number, asked: number, waitedCores: number): Goal {
  const what = `${which} are answered: at most ${100 * MAX_LOST} % are not`;
  const found = `${unanswered} of ${asked} not`;
  if (asked === 0) return { what, found: "none was asked", verdict: "MISS" };
  if (unanswered <= MAX_LOST * asked) return { what, found, verdict: "PASS" };
  if (waitedCores <= MAX_WAITED) return { what, found, verdict: "MISS" };
  return { what, found: `${found}, and the server waited for ${waitedCores.toFixed(2)} cores`, verdict: "not judged" };
}

function judgeAmplification(whom: string, ratio: number, victimRate: number): Goal {
  const what = `amplification to ${whom} at most ${MAX_AMPLIFICATION}`;
  const found = ratio.toFixed(2);
  if (victimRate >= MIN_FLOOD) return { what, found, verdict: ratio <= MAX_AMPLIFICATION ? "PASS" : "MISS" };
  return { what, found: `${found}, at ${Math.round(victimRate)} queries/s, no flood`, verdict: "not judged" };
}
