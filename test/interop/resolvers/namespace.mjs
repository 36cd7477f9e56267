// A private network and process namespace: every server has an address and port 53 of its own, nothing leaves the machine,
// and when the first process of the namespace ends, for whatever reason, the kernel kills all others.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { networkInterfaces } from "node:os";

const UNSHARE = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
/** As root, else as the root of a user namespace, where the kernel lets anyone have one. */
const VARIANTS = [UNSHARE, ["--user", "--map-root-user", ...UNSHARE]];

/** The arguments of `unshare` that work here, or undefined and why none does. */
export function findNamespace() {
  let reason = "";
  for (const variant of VARIANTS) {
    const { status, stderr, error } = spawnSync("unshare", [...variant, "ip", "link", "set", "lo", "up"], {
      encoding: "utf8",
    });
    if (status === 0) return { variant };
    reason ||= error?.message ?? stderr.trim();
  }
  return { reason };
}

/**
 * Runs a script inside a namespace. Gives its exit `status`, 1 if it was ended, and whether it was: after `deadline` milliseconds,
 * or by a signal. The child learns by the end of its stdin that this process is gone.
 */
export async function runInside(variant, script, args, deadline) {
  const child = spawn("unshare", [...variant, process.execPath, script, ...args], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  let wasEnded = false;
  const end = (why) => {
    wasEnded = true;
    console.log(`FAIL ${why}`);
    child.kill("SIGKILL");
  };
  const timer = setTimeout(() => end(`not done within ${deadline / 1000} s`), deadline);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => end(`stopped by ${signal}`));
  const status = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
  clearTimeout(timer);
  return { status: wasEnded ? 1 : status, wasEnded };
}

/** Called inside: brings the loopback up with `addresses`, and ends when the outer process does. */
export function settleInside(addresses) {
  process.stdin.on("end", () => process.exit(1)).resume();
  process.stdin.unref?.();
  const others = Object.keys(networkInterfaces()).filter((name) => name !== "lo");
  if (others.length > 0) throw new Error(`this is no private network: it has ${others.join(", ")}`);
  execFileSync("ip", ["link", "set", "lo", "up"]);
  for (const address of addresses) execFileSync("ip", ["address", "add", `${address}/32`, "dev", "lo"]);
}
