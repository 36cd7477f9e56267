/** What repeated work took, in milliseconds each time. */
export interface Times {
  /** Medians. */
  readonly wall: number;
  /** Of all threads of the process. */
  readonly cpu: number;
}

/** The middle value, or the mean of the two in the middle. @throws RangeError if there is none */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)];
  if (upper === undefined) throw new RangeError("the median of nothing");
  return Number.isInteger(half) ? ((sorted[half - 1] as number) + upper) / 2 : upper;
}

/**
 * The exponent k of the curve a·n^k through the points (n, cost), by least squares of the logarithms: 1 is linear, 0 is
 * constant. @throws RangeError if there are less than two sizes, or one that is not positive
 */
export function slope(points: readonly (readonly [n: number, cost: number])[]): number {
  if (points.some(([n, cost]) => !(n > 0 && cost > 0))) throw new RangeError("sizes and costs are positive");
  const logs = points.map(([n, cost]) => [Math.log(n), Math.log(cost)] as const);
  const mean = (axis: 0 | 1): number => logs.reduce((sum, point) => sum + point[axis], 0) / logs.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const spread = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (!(spread > 0)) throw new RangeError("a slope needs two sizes");
  return logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

/** Runs `work` once to warm up, unless `warmUp` is false, then `rounds` times; `round` counts from 0, the first one warms up. */
export function measure(rounds: number, work: (round: number) => void, warmUp = true): Times {
  const walls: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < rounds + Number(warmUp); round++) {
    const cpu = process.cpuUsage();
    const started = performance.now();
    work(round);
    const wall = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    if (warmUp && round === 0) continue;
    walls.push(wall);
    cpus.push((user + system) / 1000);
  }
  return { wall: median(walls), cpu: median(cpus) };
}

/** As `measure`, for work that is awaited. */
export async function measureAsync(
  rounds: number,
  work: (round: number) => Promise<void>,
  warmUp = true,
): Promise<Times> {
  const walls: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < rounds + Number(warmUp); round++) {
    const cpu = process.cpuUsage();
    const started = performance.now();
    await work(round);
    const wall = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    if (warmUp && round === 0) continue;
    walls.push(wall);
    cpus.push((user + system) / 1000);
  }
  return { wall: median(walls), cpu: median(cpus) };
}
