/** Resolves with the name of the first SIGINT or SIGTERM; a second one of either ends the process at once. */
export function waitForSignal(): Promise<string> {
  return new Promise((resolve) => {
    const names = ["SIGINT", "SIGTERM"] as const;
    const first = (name: string): void => {
      resolve(name);
      for (const other of names) {
        process.removeListener(other, first);
        process.once(other, () => process.exit(130));
      }
    };
    for (const name of names) process.on(name, first);
  });
}
