/** A client over gRPC, for Node. */
import { LedgerClient } from "./client.js";
import type { ClientOptions } from "./options.js";
import { NETWORK } from "./transport/grpc/network.js";

/**
 * @example
 * await using client = createClient({
 *   endpoints: "127.0.0.1:7400",
 *   tenant: { organization: "7", vault: "9" },
 *   verify: { anchor, pinnedRoots: new FileRoots("./pins") },
 * });
 * const { allowed } = await client.check("document:budget#viewer@user:alice");
 */
export function createClient(options: ClientOptions): LedgerClient {
  return new LedgerClient(options, NETWORK);
}
