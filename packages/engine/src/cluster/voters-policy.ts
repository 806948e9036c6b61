/** Policies that follow from who votes: every voter cosigns, and a majority makes a head. */
import type { Cosigner, NoteKey, Policy } from "@authledger/proof";
import { equalBytes } from "@authledger/types";

const FIRST_EPOCH = 1;
const FIRST_ID = 1;

/** The policy of a new vault. */
export function firstPolicy(logKey: NoteKey, keys: readonly NoteKey[]): Policy {
  const cosigners = keys.map((key, i): Cosigner => ({ id: FIRST_ID + i, key }));
  const quorum = majority(keys.length);
  return { epoch: FIRST_EPOCH, logKeys: [logKey], cosigners, quorum, fromSize: 1 };
}

/**
 * The policy behind another one, from a size on: keys that stay keep their id, new ones get ids that the policy before did
 * not have, so that nobody who holds two keys in a row counts as somebody else's.
 */
export function nextPolicy(before: Policy, keys: readonly NoteKey[], fromSize: number): Policy {
  let next = Math.max(0, ...before.cosigners.map(({ id }) => id)) + 1;
  const cosigners = keys.map((key): Cosigner => {
    const known = before.cosigners.find((cosigner) => isSameKey(cosigner.key, key));
    return known ?? { id: next++, key };
  });
  const quorum = majority(keys.length);
  return { ...before, epoch: before.epoch + 1, cosigners, quorum, fromSize };
}

/** Does the policy name exactly these keys, and their majority? */
export function isPolicyOf(policy: Policy, keys: readonly NoteKey[]): boolean {
  const { cosigners, quorum } = policy;
  return (
    quorum === majority(keys.length) &&
    cosigners.length === keys.length &&
    keys.every((key) => cosigners.some((cosigner) => isSameKey(cosigner.key, key)))
  );
}

function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** Is it one key under one name? */
export function isSameKey(a: NoteKey, b: NoteKey): boolean {
  return a.name === b.name && equalBytes(a.publicKey, b.publicKey);
}
