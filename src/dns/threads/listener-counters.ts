import type { ListenerEvent } from "../listener.ts";
import { COUNTER, type ServerStats } from "../stats.ts";

/** Counts what a listener reports. */
export function countListenerEvent(stats: ServerStats, event: ListenerEvent): void {
  switch (event) {
    case "tcp-opened":
      stats.count(COUNTER.tcpOpened);
      stats.count(COUNTER.tcpOpen);
      return;
    case "tcp-closed":
      stats.count(COUNTER.tcpOpen, -1);
      return;
    case "tcp-refused":
      stats.count(COUNTER.tcpRefused);
      return;
    case "tcp-idle":
    case "tcp-displaced":
      stats.count(COUNTER.tcpIdleClosed);
      return;
    case "udp-dropped":
    case "tcp-dropped":
      stats.count(COUNTER.queueFull);
      return;
    case "doh-opened":
      stats.count(COUNTER.dohOpened);
      stats.count(COUNTER.dohOpen);
      return;
    case "doh-closed":
      stats.count(COUNTER.dohOpen, -1);
      return;
    case "doh-refused":
      stats.count(COUNTER.dohRefused);
      return;
    case "doh-idle":
    case "doh-displaced":
      stats.count(COUNTER.dohIdleClosed);
      return;
    case "doh-rejected":
      stats.count(COUNTER.dohRejected);
      return;
    default:
    // How a connection ended that was closed for another reason: `tcp-closed` or `doh-closed` counts it.
  }
}
