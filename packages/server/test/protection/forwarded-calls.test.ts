/** What the limits believe of a call that says another node has passed it on. */
import { FORWARDED_KEY, IDENTITY_KEY } from "@authledger/proto";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { Authenticator } from "../../src/authn/authenticator.js";
import { ForwardedIdentity } from "../../src/authn/forwarded-identity.js";
import { parseRuntimeInput, RuntimeConfig } from "../../src/config/runtime-config.js";
import { AuthenticateStep } from "../../src/gate/authenticate.js";
import type { GatedCall } from "../../src/gate/gated-call.js";
import { ANONYMOUS, type Principal } from "../../src/gate/principal.js";
import { Protection } from "../../src/protection/protection.js";
import { failureOf, methodOf, send, startHarness } from "../support/harness.js";
import { createTuple, transaction } from "../support/requests.js";

const KEY = new Uint8Array(32).fill(7);
const NOBODY_KNOWN = { authenticate: () => Promise.reject(new Error("no credential is known")) };
const { path: PATH, requestSerialize } = methodOf("write", "write");

/** An open node whose clients may write once in ten minutes. */
async function open(key: () => Uint8Array | undefined = () => KEY) {
  const { values } = new RuntimeConfig(
    parseRuntimeInput({ rateClientWrites: 0.002, rateBurst: 600_000 }),
  );
  const protection = new Protection(() => values, { streamsPerConnection: 64, connectionsMax: 64 });
  const vouched: string[] = [];
  const seen: boolean[] = [];
  const authenticate = new AuthenticateStep({
    authenticator: new Authenticator({ keys: NOBODY_KNOWN as never, tokens: undefined }),
    identity: new ForwardedIdentity(key),
    onForwarded: (call) => vouched.push(call.getPeer()),
    isRequired: () => false,
    hasRoot: () => false,
  });
  const look = { enter: (call: GatedCall) => void seen.push(call.isForwarded) };
  const h = await startHarness({ protection, steps: [authenticate, look, ...protection.steps] });
  const request = requestSerialize({
    ...h.tenant,
    transaction: transaction([createTuple()]),
  } as never);
  const write = (metadata: Metadata): Promise<Buffer> =>
    send(h.client, PATH, request, { metadata });
  return { write, request, vouched, seen };
}

function saying(identity?: string): Metadata {
  const metadata = new Metadata();
  metadata.set(FORWARDED_KEY, "1");
  if (identity !== undefined) metadata.set(IDENTITY_KEY, identity);
  return metadata;
}

function vouching(request: Buffer, principal: Principal, key: Uint8Array = KEY): Metadata {
  return saying(new ForwardedIdentity(() => key).sign(principal, { path: PATH, request })!);
}

describe("INV-AUTHN-11: a client of an open node that says its calls were passed on", () => {
  test("is limited like any other, and its connection is taken for no node's", async () => {
    const { write, seen, vouched } = await open();
    await write(saying());
    for (let i = 0; i < 3; i++) {
      expect((await failureOf(write(saying()))).details).toMatchObject({
        ...{ code: "RATE_LIMITED", context: { tier: "client" } },
      });
    }
    expect(seen).toEqual([false, false, false, false]);
    expect(vouched).toEqual([]);
  });

  test("and vouches for itself, with any key or none, or for another call, is refused", async () => {
    const { write, request, seen, vouched } = await open();
    const wrongKey = new Uint8Array(32).fill(8);
    const forged = [
      vouching(request, ANONYMOUS, wrongKey),
      vouching(request, ANONYMOUS, new Uint8Array(0)),
      vouching(Buffer.from("another"), ANONYMOUS),
      saying(""),
      saying("a.b"),
    ];
    for (const metadata of forged) {
      expect((await failureOf(write(metadata))).details.code).toBe("UNAUTHENTICATED");
    }
    expect([seen, vouched]).toEqual([[], []]);
  });

  test("while what a node vouches for was counted there, and a name has its own bucket", async () => {
    const { write, request, seen, vouched } = await open();
    for (let i = 0; i < 3; i++) await write(vouching(request, ANONYMOUS));
    expect(seen).toEqual([true, true, true]);
    expect(vouched).toHaveLength(3);
    const app = { kind: "key", name: "key:app" } as const;
    await write(vouching(request, app));
    expect((await failureOf(write(vouching(request, app)))).details.code).toBe("RATE_LIMITED");
  });

  // A voter led before it had the log seed, and called the callers of the others wrong credentials.
  test("while a node that has no key yet lets anybody in as a client, and says of others that it is too early", async () => {
    let key: Uint8Array | undefined;
    const { write, request, seen, vouched } = await open(() => key);
    await write(vouching(request, ANONYMOUS));
    const again = await failureOf(write(vouching(request, ANONYMOUS)));
    expect(again.details.code).toBe("RATE_LIMITED");
    expect([seen, vouched]).toEqual([[false, false], []]);
    const app = { kind: "key", name: "key:app" } as const;
    for (const metadata of [vouching(request, app), saying(""), saying("a.b")]) {
      const { details } = await failureOf(write(metadata));
      expect([details.code, details.retryAfterMs]).toEqual(["NOT_READY", 50n]);
    }
    key = KEY;
    await write(vouching(request, app));
  });
});
