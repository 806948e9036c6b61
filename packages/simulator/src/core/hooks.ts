/**
 * Named points where a run may be struck: right behind what a node must not forget, or between two things that belong
 * together. Rare by chance, and where the bugs are (simulation.md, "BUGGIFY points").
 */
import { type NetworkFault, networkFaults } from "../world/network.js";

const hooks = [
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

export type Hook = (typeof hooks)[number];
export type FaultKind = NetworkFault | Hook;

/** What a fault plan of a run has chances for: the network's first, then the points of the owner. */
export const faultKinds: readonly FaultKind[] = [...networkFaults, ...hooks];

/** The place of each point in that list. */
export const hookNumbers: Readonly<Record<Hook, number>> = Object.fromEntries(
  hooks.map((hook) => [hook, faultKinds.indexOf(hook)]),
) as Record<Hook, number>;
