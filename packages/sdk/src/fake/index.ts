/**
 * A ledger in memory, for the tests of programs that use one. Its clients are clients like any other, down to the
 * messages; statuses, versions, conditions, expiry, idempotency, history, order of lists, errors and proofs are those of
 * a node, which one suite of tests holds both to (test/conformance).
 *
 * Not here: what needs a network or a disk (retries, restarts, overload), authentication, and how long a question may look
 * for rows.
 */
import { LedgerClient } from "../client.js";
import { type ClientOptions, type Tenant, vaultNameOf } from "../options.js";
import { nodeCrypto } from "../verify/node-crypto.js";
import { FakeClock } from "./clock.js";
import { FakeState } from "./state.js";
import { FakeConnection, fakeNode } from "./wire.js";

export type { FakeClock } from "./clock.js";

export interface FakeLedgerOptions {
  /** Time at the beginning, in milliseconds since 1970. Default: now. */
  readonly nowMs?: number | undefined;
}

/** What a client of a fake is told; there is nothing to connect to. */
export type FakeClientOptions = Omit<ClientOptions, "endpoints" | "tls" | "token" | "credentials">;

export interface FakeLedger {
  /** Stands still until it is told to go on; what has expired then is gone. */
  readonly clock: FakeClock;
  /** A vault that is there from the beginning. */
  readonly tenant: Tenant;
  /** A client of that vault, unless the options name another; as many as a test wants. */
  client(options?: FakeClientOptions): LedgerClient;
  /** What a verifying client of a vault begins with. */
  anchor(tenant?: Tenant): string;
}

/**
 * @example
 * const ledger = createFakeLedger();
 * const client = ledger.client();
 * await client.write([createTuple("doc:budget#viewer@user:alice", { expiresAtMs: ledger.clock.nowMs() + 60_000 })]);
 * ledger.clock.advance(60_000);
 * const { allowed } = await client.check("doc:budget#viewer@user:alice"); // false
 */
export function createFakeLedger(options: FakeLedgerOptions = {}): FakeLedger {
  const clock = new FakeClock(options.nowMs ?? Date.now());
  const state = new FakeState(clock);
  const node = fakeNode(state);
  const { slug: organization } = state.createOrganization("fake");
  const { slug: vault } = state.createVault(organization, "main").vault.identity;
  const tenant = { organization, vault };
  return {
    clock,
    tenant,
    client: (given = {}) =>
      new LedgerClient(
        { tenant, ...given, endpoints: [] },
        {
          connect: (made) => new FakeConnection(node, made),
          nowMs: clock.nowMs,
          crypto: nodeCrypto,
        },
      ),
    anchor: (named = tenant) => state.anchor(vaultNameOf(named)),
  };
}
