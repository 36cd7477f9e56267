import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { explainIo } from "./damage.ts";

/** Length and SHA-256, in hex, of a file. */
export interface FileMark {
  readonly bytes: number;
  readonly sha256: string;
}

/** Bytes that are collected before they are written. */
const STEP = 1 << 22;

/** A new file that is hashed as it is written. */
export class MarkedFile {
  readonly #path: string;
  readonly #hash = createHash("sha256");
  #file: number | undefined;
  #parts: Uint8Array[] = [];
  #waiting = 0;
  #bytes = 0;

  /** @throws ProofdnsError `STORE_UNUSABLE` if there is such a file, or it cannot be made */
  constructor(path: string) {
    this.#path = path;
    this.#file = openFile(path, "wx");
  }

  add(part: Uint8Array): void {
    this.#hash.update(part);
    this.#bytes += part.length;
    this.#parts.push(part);
    this.#waiting += part.length;
    if (this.#waiting >= STEP) this.#write();
  }

  /** Returns when it is on disk. @throws ProofdnsError `STORE_UNUSABLE` */
  finish(): FileMark {
    this.#write();
    try {
      if (this.#file !== undefined) fsyncSync(this.#file);
    } catch (error) {
      throw explainIo(`cannot write ${this.#path}`, error);
    }
    this.close();
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #write(): void {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#waiting = 0;
    if (this.#file === undefined) throw new TypeError("the file is closed");
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      throw explainIo(`cannot write ${this.#path}`, error);
    }
  }
}

/** Writes a new file and returns when it is on disk. @throws ProofdnsError `STORE_UNUSABLE` */
export function writeMarkedFile(path: string, bytes: Uint8Array): FileMark {
  const file = new MarkedFile(path);
  try {
    file.add(bytes);
    return file.finish();
  } finally {
    file.close();
  }
}

function openFile(path: string, flags: string): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw explainIo(`cannot open ${path}`, error);
  }
}
