/** A value at a time, in seconds. */
export interface Point {
  readonly time: number;
  readonly value: number;
}

/**
 * How much values grew over the time of the points, as a share of their mean: the slope of the line with the least squares,
 * times the duration, divided by the mean. NaN for fewer than two points.
 */
export function growth(points: readonly Point[]): number {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || first.time === last.time) return Number.NaN;
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const meanTime = mean(({ time }) => time);
  const meanValue = mean(({ value }) => value);
  let above = 0;
  let below = 0;
  for (const { time, value } of points) {
    above += (time - meanTime) * (value - meanValue);
    below += (time - meanTime) ** 2;
  }
  return ((above / below) * (last.time - first.time)) / meanValue;
}
