/**
 * How large the metadata of a call may be (SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113 6.5.2). The library of gRPC knows no such
 * limit, and that of HTTP/2 takes 64 KiB for each of 128 fields.
 *
 *   INV-OVER-5  A call whose metadata is larger than METADATA_BYTES_MAX is refused by its stream alone, before anything of it
 *               is looked at: with ENHANCE_YOUR_CALM, which clients of gRPC call RESOURCE_EXHAUSTED.
 *
 * The limit holds once the client has acknowledged it, as all do. For one that never does the memory of its session is the limit
 * (channel-options.ts).
 */
import type { Server } from "@grpc/grpc-js";
import { http2ServersOf } from "./http2-servers.js";

/** Names, values and 32 bytes for each field, as HTTP/2 counts. A token has some hundred bytes, a chain of roles some thousand. */
export const METADATA_BYTES_MAX: number = 16 * 1024;

/** For all connections of a server that listens. */
export function limitMetadata(server: Server): void {
  for (const http2 of http2ServersOf(server)) {
    http2.updateSettings({ maxHeaderListSize: METADATA_BYTES_MAX });
  }
}
