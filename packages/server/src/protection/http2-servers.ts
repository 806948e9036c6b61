/** The HTTP/2 servers of the library of gRPC, for what it has no option for. */
import type { Http2Server } from "node:http2";
import { assert } from "@authledger/types";
import type { Server } from "@grpc/grpc-js";

/** The library offers no way to them; its version is pinned, and this says so if a newer one keeps them elsewhere. */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const { http2Servers } = server as unknown as {
    readonly http2Servers?: Map<Http2Server, object>;
  };
  assert(
    http2Servers instanceof Map && http2Servers.size > 0,
    "the library keeps its HTTP/2 servers",
  );
  return [...http2Servers.keys()];
}
