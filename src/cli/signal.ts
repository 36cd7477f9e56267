/** Resolves with the name of the first SIGINT or SIGTERM; a second one ends the process at once. */
export function waitForSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.once(name, () => {
        resolve(name);
        process.once(name, () => process.exit(130));
      });
    }
  });
}
