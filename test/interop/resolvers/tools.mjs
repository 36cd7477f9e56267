// The programs that are needed, and the Debian packages that have them.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** The system's Python: another one on the PATH would not have Debian's dnspython. */
export const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

/** Programs, and the packages that have them. */
const PACKAGES = {
  dig: "bind9-dnsutils",
  delv: "bind9-dnsutils",
  named: "bind9",
  "dnssec-signzone": "bind9-utils",
  "dnssec-keygen": "bind9-utils",
  "dnssec-dsfromkey": "bind9-utils",
  nsd: "nsd",
  unbound: "unbound",
  kresd: "knot-resolver",
  kdig: "knot-dnsutils",
  drill: "ldnsutils",
  pdns_recursor: "pdns-recursor",
  dnsviz: "dnsviz",
  "zonemaster-cli": "zonemaster-cli",
  ip: "iproute2",
  unshare: "util-linux",
};

/** The same for modules of Python. */
const PYTHON_PACKAGES = {
  "dns.dnssec": "python3-dnspython",
  cryptography: "python3-cryptography",
  pygraphviz: "python3-pygraphviz",
};

/** Where Debian has servers; not on the PATH of everyone. */
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** The packages of what cannot be found. */
export function findMissing() {
  const missing = new Set();
  for (const [program, name] of Object.entries(PACKAGES)) {
    if (spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0) missing.add(name);
  }
  for (const [module, name] of Object.entries(PYTHON_PACKAGES)) {
    if (spawnSync(PYTHON, ["-c", `import ${module}`]).status !== 0) missing.add(name);
  }
  return [...missing];
}
