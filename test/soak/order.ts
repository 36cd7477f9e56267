import type { Subject } from "../../src/client/verify/index.ts";

/** Something that is asked again and again. */
export interface Question {
  /** Wire format, lower case. */
  readonly name: Uint8Array;
  /** What the answer has to prove. */
  readonly subject: Subject;
}

/** What a load process is told when it starts. */
export interface LoadOrder {
  readonly role: "clients" | "victims" | "noise";
  /** The server's UDP and TCP port on 127.0.0.1. */
  readonly port: number;
  /** Apex of the zone, wire format. */
  readonly apex: Uint8Array;
  /** Queries per second of this process. */
  readonly rate: number;
  readonly questions: readonly Question[];
  /** Every so many good answers one is handed over to be verified. */
  readonly sampleEvery: number;
  readonly seed: number;
}

/** An answer that is to be verified. */
export interface Sample {
  /** Number of the question. */
  readonly question: number;
  readonly message: Uint8Array;
  readonly isDo: boolean;
  /** Unix milliseconds. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

/** Latencies of a tenth of a second. */
export interface LatencySlot {
  /** Unix time in tenths of a second. */
  readonly at: number;
  /** Bucket of `Histogram` and count, in turns. */
  readonly buckets: readonly number[];
}

/** What a load process says every second. */
export interface LoadReport {
  readonly role: LoadOrder["role"];
  /** Everything that is counted, since the start. */
  readonly counts: Readonly<Record<string, number>>;
  /** What is new since the report before. */
  readonly samples: readonly Sample[];
  readonly slots: readonly LatencySlot[];
  /** The first few things that should not be. */
  readonly faults: readonly string[];
}
