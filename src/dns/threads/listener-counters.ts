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
    default:
    // How a connection ended that was closed for another reason: `tcp-closed` counts it.
  }
}
