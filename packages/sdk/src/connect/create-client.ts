/** A client over Connect: HTTP with `fetch`, in browsers and wherever else there is one. */
import { nobleHasher, nobleVerifier } from "@authledger/proof";
import { LedgerClient } from "../client.js";
import type { ClientOptions } from "../options.js";
import type { Surroundings } from "../transport/connection.js";
import { MACHINE } from "../transport/ports.js";
import { Transport } from "../transport/transport.js";
import { ConnectChannel, originOf } from "./connect-channel.js";

const BROWSER: Surroundings = {
  connect: (options) => {
    // What a cluster tells of its nodes are addresses of gRPC.
    const own = { ...options, discover: false };
    const dial = (address: string) => new ConnectChannel(originOf(address, own));
    return new Transport(own, { ...MACHINE, dial });
  },
  nowMs: () => Date.now(),
  crypto: { hasher: nobleHasher, verifier: nobleVerifier },
};

/**
 * The same client as everywhere; `endpoints` are ports that a node serves with `--connect`.
 * @example
 * const client = createClient({
 *   endpoints: "ledger.example:443",
 *   tls: true,
 *   tenant: { organization: "7", vault: "9" },
 *   verify: { anchor, pinnedRoots: new IndexedDbRoots() },
 * });
 */
export function createClient(options: ClientOptions): LedgerClient {
  return new LedgerClient(options, BROWSER);
}
