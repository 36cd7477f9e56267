// A node:test reporter that prints one JSON object: for each test file how many tests passed, failed and were skipped,
// and the reasons of the skipped ones.
export default async function* countReporter(events) {
  const files = new Map();
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite") continue;
    // The runner reports each file as a test of its own, at nesting 0 and named by its path.
    if (data.nesting === 0 && data.name === data.file) continue;
    const file = data.file ?? data.name;
    const counts = files.get(file) ?? { passed: 0, failed: 0, skipped: [] };
    if (data.skip !== undefined) counts.skipped.push(`${data.name}: ${data.skip}`);
    else if (type === "test:pass") counts.passed++;
    else counts.failed++;
    files.set(file, counts);
  }
  yield JSON.stringify(Object.fromEntries(files));
}
