// A module proxy as a file tree, made from invented modules: what GOPROXY=file://… reads.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

export const nameOf = ({ path, version }) => `${path}@${version}`;
export const escapeCase = (text) => text.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);

/** A zip file without compression. */
export function makeZip(entries) {
  const locals = [];
  const centrals = [];
  let offset = 0;
  for (const [name, text] of entries) {
    const content = Buffer.from(text);
    // From the CRC on, local and central headers agree: CRC, sizes, name length, no extra field.
    const common = Buffer.alloc(16);
    common.writeUInt32LE(crc32(content), 0);
    common.writeUInt32LE(content.length, 4);
    common.writeUInt32LE(content.length, 8);
    common.writeUInt16LE(Buffer.byteLength(name), 12);
    const local = Buffer.concat([
      Buffer.from("504b03041400000000000000", "hex"),
      Buffer.from("2158", "hex"),
      common,
      Buffer.from(name),
      content,
    ]);
    const end = Buffer.alloc(14);
    end.writeUInt32LE(offset, 10);
    centrals.push(
      Buffer.concat([Buffer.from("504b0102140014000000000000002158", "hex"), common, end, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const tail = Buffer.alloc(22);
  tail.write("504b0506", 0, "hex");
  tail.writeUInt16LE(entries.length, 8);
  tail.writeUInt16LE(entries.length, 10);
  tail.writeUInt32LE(central.length, 12);
  tail.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, tail]);
}

/**
 * Writes a module into the tree. `files` are those of its zip beside go.mod; `goMod` is its text, undefined for a module of
 * before there were any.
 */
export function publishFiles(proxy, module, goMod, files) {
  const directory = join(proxy, escapeCase(module.path), "@v");
  const file = join(directory, escapeCase(module.version));
  mkdirSync(directory, { recursive: true });
  const list = join(directory, "list");
  const versions = existsSync(list) ? readFileSync(list, "utf8") : "";
  if (!versions.includes(`${module.version}\n`)) writeFileSync(list, `${versions}${module.version}\n`);
  writeFileSync(`${file}.info`, JSON.stringify({ Version: module.version, Time: "2026-01-02T03:04:05Z" }));
  writeFileSync(`${file}.mod`, goMod ?? `module ${module.path}\n`);
  const all = goMod === undefined ? files : [["go.mod", goMod], ...files];
  writeFileSync(`${file}.zip`, makeZip(all.map(([name, text]) => [`${nameOf(module)}/${name}`, text])));
}
