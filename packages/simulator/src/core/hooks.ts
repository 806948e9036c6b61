/**
 * Named points where a run may be struck: right behind what a node must not forget, or between two things that belong
 * together. Rare by chance, and where the bugs are (simulation.md, "BUGGIFY points").
 */
import { networkFaults } from "../world/network.js";

/** What a fault plan of a run has chances for: the network's first, then the points of the owner. */
export const faultKinds = [
  ...networkFaults,
  "crash-before-vote-leaves",
  "crash-after-vote",
  "crash-after-append-ack",
  "crash-after-client-ack",
  "crash-when-elected",
  "crash-in-sync",
  "crash-after-truncate",
  "crash-after-compaction",
  "crash-after-snapshot",
  "drop-next-append",
  "delay-durable",
  "snapshot-lost",
] as const;

export type FaultKind = (typeof faultKinds)[number];

const numbered = (kind: FaultKind): number => faultKinds.indexOf(kind);

/** The places of the kinds in that list. */
export const Hook = {
  crashBeforeVoteLeaves: numbered("crash-before-vote-leaves"),
  crashAfterVote: numbered("crash-after-vote"),
  crashAfterAppendAck: numbered("crash-after-append-ack"),
  crashAfterClientAck: numbered("crash-after-client-ack"),
  crashWhenElected: numbered("crash-when-elected"),
  crashInSync: numbered("crash-in-sync"),
  crashAfterTruncate: numbered("crash-after-truncate"),
  crashAfterCompaction: numbered("crash-after-compaction"),
  crashAfterSnapshot: numbered("crash-after-snapshot"),
  dropNextAppend: numbered("drop-next-append"),
  delayDurable: numbered("delay-durable"),
  snapshotLost: numbered("snapshot-lost"),
} as const;
