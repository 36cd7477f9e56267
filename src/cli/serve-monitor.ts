import type { Logger } from "../service/log.ts";
import { Monitor, type Readiness } from "../service/monitor.ts";
import { formatMetrics } from "../service/prometheus.ts";
import type { ResponderConfig } from "../service/responder-config.ts";
import type { Service } from "../service/service.ts";
import type { HostPort } from "./host-port.ts";
import { readPackageVersion } from "./package-version.ts";

/** Heartbeats that may fail before the server says that it is not ready, and seconds that are never too many. */
const MISSED_HEARTBEATS = 5;
const LEAST_CLOCK_AGE = 60;

/** What the monitor of a server tells of. */
export interface Watched {
  readonly service: Service;
  /** What the responders are made of just now. */
  readonly config: () => ResponderConfig;
  readonly threads: number;
  /** Seconds between cosignatures of the clock. */
  readonly heartbeat: number;
  readonly isDraining: () => boolean;
}

/** Makes the monitor of `proofdns serve`. */
export function makeServeMonitor(address: HostPort, watched: Watched, log: Logger): Monitor {
  const { service, config, threads, heartbeat, isDraining } = watched;
  const version = readPackageVersion();
  const readiness = (): Readiness => {
    const { epoch, since, clockTime } = service.state;
    const now = Date.now() / 1000;
    return {
      epoch,
      epochAge: since === undefined ? undefined : now - since,
      clockAge: clockTime === undefined ? undefined : now - clockTime,
      isDraining: isDraining(),
    };
  };
  const metrics = (): string => {
    const stats = service.stats();
    if (stats === undefined) return "";
    const { epoch, epochAge, clockAge } = readiness();
    const { user, system } = process.cpuUsage();
    const { keys } = config();
    return formatMetrics(stats, {
      epoch,
      epochAge,
      clockAge,
      sumdbSize: service.state.sumdbSize,
      signatureExpiry: undefined,
      keys: (keys?.keys ?? []).map(({ keyTag, phase }) => ({
        keyTag,
        algorithm: keys?.algorithm ?? 0,
        state: phase,
      })),
      threads,
      version,
      nodeVersion: process.version,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
    });
  };
  return new Monitor({
    ...address,
    metrics,
    readiness,
    limits: { maxClockAge: Math.max(LEAST_CLOCK_AGE, MISSED_HEARTBEATS * heartbeat) },
    log,
  });
}
