// A signed root zone with the delegation of our zone: the stand-in for everything above it, served by nsd.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Daemon, runOrThrow } from "./daemon.mjs";
import { ask } from "./dig.mjs";
import { AUTHORITY, ROOT, ZONE } from "./world.mjs";

const ROOT_SERVER = "a.root-server.example.";

/**
 * Signs and serves the root zone with the zone's `ds` records.
 *
 * Gives what a resolver needs: `hints`, a zone file; `dnskey`, the RDATA of the trust anchor with its base64 in one piece;
 * `ds`, the RDATA of its DS.
 */
export async function startParent(folder, ds) {
  mkdirSync(folder, { recursive: true });
  const hints = `. 3600 IN NS ${ROOT_SERVER}\n${ROOT_SERVER} 3600 IN A ${ROOT}\n`;
  const zone = [
    `. 3600 IN SOA ${ROOT_SERVER} hostmaster.example. 1 3600 600 86400 300`,
    hints.trimEnd(),
    `${ZONE}. 3600 IN NS ns1.${ZONE}.`,
    `ns1.${ZONE}. 3600 IN A ${AUTHORITY}`,
    ...ds.map((rdata) => `${ZONE}. 3600 IN DS ${rdata}`),
  ];
  writeFileSync(join(folder, "root.zone"), `${zone.join("\n")}\n`);
  const inFolder = { cwd: folder };
  await runOrThrow("dnssec-keygen", ["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "."], inFolder);
  await runOrThrow("dnssec-signzone", ["-q", "-S", "-z", "-o", ".", "-f", "root.signed", "root.zone"], inFolder);
  const keyFile = readdirSync(folder).find((name) => name.endsWith(".key")) ?? "";
  const key = readFileSync(join(folder, keyFile), "utf8").match(/DNSKEY (\d+ \d+ \d+) (.+)/);
  const [, flags = "", base64 = ""] = key ?? [];
  const rootDs = await runOrThrow("dnssec-dsfromkey", ["-2", keyFile], inFolder);
  const daemon = new Daemon("root (nsd)", {
    folder,
    command: ["nsd", "-d", "-c", "nsd.conf"],
    files: {
      "nsd.conf": `server:
    ip-address: ${ROOT}
    username: ""
    chroot: ""
    zonesdir: "${folder}"
    pidfile: ""
    xfrdfile: ""
    zonelistfile: "${folder}/zone.list"
    xfrdir: "${folder}"
    logfile: ""
    rrl-ratelimit: 0
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: root.signed
`,
    },
  });
  await daemon.until(async () => (await ask(ROOT, ".", "SOA", { time: 1 })).reply);
  return {
    daemon,
    hints,
    dnskey: `${flags} ${base64.replaceAll(/\s/g, "")}`,
    ds: rootDs.split(" DS ")[1]?.trim() ?? "",
  };
}
