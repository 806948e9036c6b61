/**
 * The registry of hash inputs (commitment.md, "State"): the first byte of everything that is hashed, so that
 * no input of one kind can be taken for one of another. 0x00 and 0x01 are RFC 6962's leaf and node.
 */
export const Tag = {
  logLeaf: 0x00,
  logNode: 0x01,
  pathSegment: 0x10,
  leaf: 0x11,
  branch: 0x12,
  bucketLeaf: 0x13,
  bucketNode: 0x14,
  stateRoot: 0x15,
  record: 0x16,
  vaultRef: 0x17,
  valueDigest: 0x18,
  configHash: 0x19,
  saltCommitment: 0x1a,
} as const;

/** Suite 0x01: SHA-256 everywhere. */
export const SUITE_SHA256 = 0x01;
