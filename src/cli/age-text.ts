/** A span of time for people, in the largest unit of which there are two: `90 s`, `45 min`, `30 h`, `12 d`. */
export function formatSpan(seconds: number): string {
  const span = Math.max(0, Math.floor(seconds));
  if (span < 120) return `${span} s`;
  if (span < 7200) return `${Math.floor(span / 60)} min`;
  if (span < 172_800) return `${Math.floor(span / 3600)} h`;
  return `${Math.floor(span / 86_400)} d`;
}

/** A time in Unix seconds as `2026-11-22T07:30:00Z`. */
export function formatTime(time: number): string {
  return new Date(time * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}
