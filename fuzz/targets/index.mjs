// @ts-check
/** Every decoder that meets bytes from outside. */
import { decisionTargets } from "./decisions.mjs";
import { frontTargets } from "./front.mjs";
import { logTargets } from "./log.mjs";
import { messageTargets } from "./messages.mjs";
import { modelTargets } from "./models.mjs";
import { pageTargets } from "./pages.mjs";
import { peerTargets } from "./peers.mjs";
import { proofTargets } from "./proofs.mjs";
import { replicaTargets } from "./replicas.mjs";
import { snapshotTargets } from "./snapshots.mjs";
import { systemTargets } from "./system.mjs";
import { textTargets } from "./texts.mjs";

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {number} maxBytes
 * @property {() => Uint8Array[] | Promise<Uint8Array[]>} seeds inputs that are right
 * @property {(input: Uint8Array) => boolean | Promise<boolean>} run true: accepted, false: refused with a typed error
 * @property {readonly Uint8Array[]} [words] pieces that inputs are made of
 */

/** @type {readonly Target[]} */
export const targets = [
  ...proofTargets,
  ...decisionTargets,
  ...messageTargets,
  ...modelTargets,
  ...textTargets,
  ...pageTargets,
  ...logTargets,
  ...snapshotTargets,
  ...replicaTargets,
  ...peerTargets,
  ...frontTargets,
  ...systemTargets,
];
