/** Bounds of signing heads together. */

/** How far the time of a head or of a block may be ahead of a cosigner's clock. */
export const COSIGN_SKEW_MS = 5_000;
/** A replica waits so long for blocks that it is asked to sign. */
export const COSIGN_APPLY_WAIT_MS = 2_000;
/** Heads that wait for blocks at one replica, of all who ask. */
export const COSIGN_WAITING_MAX = 4_096;
/** Who has not answered is asked again. Frames may be lost. */
export const COSIGN_RESEND_MS = 100;
/** After so long an answer that waits for cosignatures is refused. */
export const HEAD_WAIT_MS = 2_000;
/** Heads that a leader collects at once, and that a follower asks for. */
export const HEADS_UNDER_WAY_MAX = 8_192;
/** A leader whose heads nobody can cosign gives the leadership away, and again after so long where it still leads. */
export const GIVE_AWAY_AGAIN_MS = 10_000;
/** Where the leadership comes back it is kept for so long before it is given away again, and so many times as long after that. */
export const GIVE_AWAY_PAUSE_MS = 60_000;
export const GIVE_AWAY_PAUSES_GROW = 10;
/** An idle vault whose heads others cosign gets one with a new time after so long. */
export const HEAD_RENEW_MS = 30_000;
