/** Every bound of comparing states, with its arithmetic. */

/** How often a node tells its digest: a state that parted is found within two of these. */
export const DIGEST_INTERVAL_MS = 1_000;
/** Every so many entries a digest is told, so that busy replicas tell those of the same entries. */
export const DIGEST_EVERY = 64;
/** Digests of one report: replicas up to 1,000 entries apart find a common one. */
export const DIGEST_POINTS_MAX = 16;
/** Own digests that are kept to compare with: 32 bytes each. */
export const DIGESTS_KEPT = 4_096;
/** Digests that are kept of each other replica. */
export const DIGESTS_KEPT_OF_PEER = 64;
/** Newest blocks in one question: 42 bytes each. */
export const COMPARED_HEADS_MAX = 1_024;
/** Leaves in one answer: 80 bytes each; a bucket of 1M tuples has some 8,000. */
export const COMPARED_LEAVES_MAX = 4_096;
/** A peer that does not answer within this is not asked any more. */
export const COMPARE_TIMEOUT_MS = 2_000;
/** Questions of one search: vaults and leaves of a large group may need many; then the rest is left out. */
export const COMPARE_QUESTIONS_MAX = 2_000;
/** A replica that parted asks the next peer for its state after this. */
export const REBUILD_RETRY_MS = 5_000;
