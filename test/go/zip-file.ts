import { crc32, deflateRawSync } from "node:zlib";

/** An entry of a zip made by hand; what is not given is right. */
export interface ZipEntry {
  readonly name: string | Buffer;
  readonly content: string | Buffer;
  /** What the zip announces. */
  readonly size?: number;
  readonly method?: 0 | 8 | 99;
  readonly flags?: number;
  readonly crc?: number;
}

/** A zip file, right or wrong. `is64` writes the records of one with very many files. */
export function makeZip(entries: readonly ZipEntry[], is64 = false): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, size, method = 8, flags = 0x800, crc } of entries) {
    const [rawName, raw] = [Buffer.from(name), Buffer.from(content)];
    const packed = method === 8 ? deflateRawSync(raw) : raw;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc ?? crc32(raw), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(size ?? raw.length, 18);
    common.writeUInt16LE(rawName.length, 22);
    parts.push(Buffer.from("PK\x03\x04", "latin1"), common, rawName, packed);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), common, tail, rawName);
    at += 30 + rawName.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  if (!is64) return Buffer.concat([...parts, central, end]);
  end.fill(0xff, 8, 20);
  const records = Buffer.alloc(76);
  records.write("PK\x06\x06", "latin1");
  records.writeBigUInt64LE(44n, 4);
  records.writeBigUInt64LE(BigInt(entries.length), 24);
  records.writeBigUInt64LE(BigInt(entries.length), 32);
  records.writeBigUInt64LE(BigInt(central.length), 40);
  records.writeBigUInt64LE(BigInt(at), 48);
  records.write("PK\x06\x07", 56, "latin1");
  records.writeBigUInt64LE(BigInt(at + central.length), 64);
  records.writeUInt32LE(1, 72);
  return Buffer.concat([...parts, central, records, end]);
}
