import { encodeUtf8 } from "../vindex/bytes.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { formatRecord } from "../vindex/record.ts";

/**
 * Records of an invented checksum database, for the demo: a seeded generator under names that RFC 2606 reserves, so that no
 * false checksum of a real module is ever made. The same seed gives the same records.
 */
export function makeSampleRecords(seed = 1, moduleCount = 450): string[] {
  const random = mulberry32(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const modules: { path: string; versions: string[] }[] = [...SHOWCASE];
  for (let i = 0; modules.length < moduleCount; i++) {
    const host = pick(["example.com", "go.example.org", "git.example.net"]);
    const path = `${host}/${pick(TEAMS)}/${pick(TOOLS)}${i}`;
    modules.push({ path, versions: makeVersions(random, "1") });
    // Some modules went on to later majors, each a path of its own.
    for (let major = 2; random() < 0.18; major++) {
      modules.push({ path: `${path}/v${major}`, versions: makeVersions(random, String(major)) });
    }
  }
  // The log has its versions mixed: repeatedly the next version of some module.
  const queues = modules.map(({ path, versions }) => ({ path, versions: [...versions] }));
  const records: string[] = [];
  while (queues.length > 0) {
    const at = Math.floor(random() * queues.length);
    const queue = queues[at] as { path: string; versions: string[] };
    const version = queue.versions.shift();
    if (version === undefined) queues.splice(at, 1);
    else records.push(makeRecord(queue.path, version));
  }
  return records;
}

function makeRecord(path: string, version: string): string {
  const hash = (what: string): Uint8Array => nodeSha256(encodeUtf8(`proofdns sample ${what} ${path} ${version}`));
  return formatRecord(path, version, hash("zip"), hash("go.mod"));
}

/** Modules that the demo looks up: each shows one rule of the map function. */
const SHOWCASE: readonly { path: string; versions: string[] }[] = [
  { path: "example.com/hello", versions: ["v0.1.0", "v0.2.0", "v1.0.0", "v1.2.0", "v1.1.9", "v1.3.0-rc.1"] },
  { path: "example.com/hello/v2", versions: ["v2.0.0-beta.1", "v2.0.0", "v2.1.0"] },
  { path: "example.com/hello/v3", versions: ["v3.0.0-alpha.1"] },
  { path: "example.org/Mixed_Case/tool~x", versions: ["v0.9.0"] },
  {
    path: "example.net/untagged",
    versions: ["v0.0.0-20240102030405-0123456789ab", "v0.0.0-20230102030405-ba9876543210"],
  },
  { path: "example.net/late/majors", versions: ["v1.0.0", "v2.0.0+incompatible", "v3.1.0+incompatible"] },
];

const TEAMS = ["net", "data", "cloud", "ops", "web", "lab", "Core", "kit", "sec", "infra"] as const;
const TOOLS = ["proxy", "cache", "codec", "queue", "router", "ledger", "parser", "mailer", "vault", "probe"] as const;

function makeVersions(random: () => number, major: string): string[] {
  const versions: string[] = [];
  const count = 1 + Math.floor(random() ** 3 * 30);
  let minor = 0;
  let patch = 0;
  for (let i = 0; i < count; i++) {
    const kind = random();
    const core = `v${major}.${minor}.${patch}`;
    if (kind < 0.15) {
      const stamp = 20200101000000 + Math.floor(random() * 28) * 1_000_000 + Math.floor(random() * 24) * 10_000;
      const rev = Math.floor(random() * 2 ** 48)
        .toString(16)
        .padStart(12, "0");
      versions.push(`v${major}.${minor}.${patch + 1}-0.${stamp}-${rev}`);
      continue;
    }
    versions.push(kind < 0.22 ? `${core}-rc.${i + 1}` : core);
    if (random() < 0.3) {
      minor++;
      patch = 0;
    } else {
      patch++;
    }
  }
  return versions;
}

/** A small seeded generator (Mulberry32, public domain): statistical quality is beside the point here. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
