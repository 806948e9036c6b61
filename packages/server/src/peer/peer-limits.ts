/** Every bound and every span of the links between nodes, with its arithmetic. */
import { limits } from "@authledger/types";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Payload of a frame: a message of Raft with the largest entry and its header. */
export const FRAME_BYTES_MAX: number = limits.ENTRY_BYTES_MAX + 64 * KiB;
/** Frames are put together until they have so many bytes; the last one may reach beyond. */
export const BATCH_BYTES: number = 1 * MiB;
/** A batch and its framing: less than BATCH_BYTES and the largest frame. */
export const BATCH_BYTES_MAX: number = BATCH_BYTES + FRAME_BYTES_MAX + 64 * KiB;
/** Frames of a batch, which bounds what their headers cost. */
export const BATCH_FRAMES_MAX = 4_096;

export interface LaneLimit {
  readonly bytes: number;
  readonly frames: number;
}

/** What waits for one peer, by lane. Raft keeps 8 MiB in flight to a follower; the rest is repeated by who sent it. */
export const RAFT_LANE: LaneLimit = { bytes: 16 * MiB, frames: 16_384 };
export const SERVICE_LANE: LaneLimit = { bytes: 4 * MiB, frames: 4_096 };
/** Four chunks of 512 KiB. */
export const CHUNK_LANE: LaneLimit = { bytes: 2 * MiB + 64 * KiB, frames: 64 };

/** Connections to the peer port at a time: every member twice while streams replace each other, and lookups. */
export const PEER_CONNECTIONS_MAX = 256;

/** Bytes that may be on their way to a receiver that does not read: 100 ms at 80 MB/s. */
export const FLOW_WINDOW_BYTES: number = 8 * MiB;

/** An idle link says that it is there. */
export const BEAT_MS = 500;
/** A link that nothing came from for so long is given up. */
export const SILENT_MS = 3_000;
/** A batch that the peer does not take for so long ends the link. */
export const STALLED_MS = 10_000;
/** How often links are looked at. */
export const CHECK_MS = 250;

/** Connecting, TLS and the handshake. */
export const HANDSHAKE_MS = 2_000;
export const LOOKUP_MS = 3_000;
/** Pauses between attempts to reach a peer: doubled each time, and half of it random. */
export const BACKOFF_MS_MIN = 50;
export const BACKOFF_MS_MAX = 1_000;
/** The node with the higher id waits so long for the other to dial. */
export const GRACE_MS = 500;
/** A refused peer may become welcome (a waiting node is added), but not soon. */
export const REFUSED_MS = 2_000;
/** How long what waits may still leave when the node stops. */
export const DRAIN_MS = 300;
/** How long the last words of a stream that ends may take. */
export const LINGER_MS = 1_000;
