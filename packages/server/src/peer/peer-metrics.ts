/** Metrics of the links to other nodes. Their number is bounded by the members of a cluster. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { LinkStats } from "./grpc-peers.js";

const GAUGES: readonly [string, string, (link: LinkStats) => number][] = [
  ["connected", "1 while the peer is reached.", (link) => Number(link.isConnected)],
  ["queued_bytes", "Bytes that wait to be sent to the peer.", (link) => link.queuedBytes],
  [
    "silent_seconds",
    "Since the peer was last heard; 0 before it was.",
    ({ lastHeardMs }) =>
      lastHeardMs === undefined ? 0 : Math.max(0, performance.now() - lastHeardMs) / 1000,
  ],
];

const COUNTERS: readonly [string, string, (link: LinkStats) => number][] = [
  ["connects_total", "Streams to the peer, whoever dialed.", (link) => link.connects],
  ["losses_total", "Streams to the peer that ended.", (link) => link.losses],
  ["batches_sent_total", "Batches of frames sent.", (link) => link.batchesSent],
  ["frames_sent_total", "Frames sent.", (link) => link.framesSent],
  ["bytes_sent_total", "Bytes of batches sent.", (link) => link.bytesSent],
  ["frames_received_total", "Frames received.", (link) => link.framesReceived],
  ["bytes_received_total", "Bytes of batches received.", (link) => link.bytesReceived],
  [
    "frames_dropped_total",
    "Frames that were not sent: no stream, no room, or the stream was lost.",
    (link) => link.framesDropped,
  ],
];

/** Adds them; `links` is asked whenever somebody asks for metrics. */
export function addPeerMetrics(registry: Registry, links: () => readonly LinkStats[]): void {
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      name: `authledger_peer_${name}`,
      help,
      labelNames: ["peer"],
      registers: [registry],
      collect() {
        this.reset();
        for (const link of links()) this.set({ peer: link.name }, read(link));
      },
    });
  }
  for (const [name, help, read] of COUNTERS) {
    new Counter({
      name: `authledger_peer_${name}`,
      help,
      labelNames: ["peer"],
      registers: [registry],
      collect() {
        this.reset();
        for (const link of links()) this.inc({ peer: link.name }, read(link));
      },
    });
  }
}
