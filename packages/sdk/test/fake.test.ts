/** What only a fake ledger has: its clock, its clients, and what it keeps of a real one. */
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { createFakeLedger } from "../src/fake/index.js";
import { createTuple, MemoryRoots, setEntity } from "../src/index.js";

const ALICE = "doc:budget#viewer@user:alice";

describe("the clock of a fake ledger", () => {
  it("stands still until it is told to go on, and then expires what is due to the millisecond", async () => {
    const ledger = createFakeLedger({ nowMs: 1_000_000 });
    const client = ledger.client();
    await client.write([createTuple(ALICE, { expiresAtMs: 1_060_000 })]);
    ledger.clock.advance(59_999);
    expect((await client.hasTuple(ALICE)).stored).toBe(true);
    ledger.clock.advance(1);
    expect((await client.hasTuple(ALICE)).stored).toBe(false);
    expect(ledger.clock.nowMs()).toBe(1_060_000);
  });

  it("may go back, but the ledger's own time does not", async () => {
    const ledger = createFakeLedger({ nowMs: 1_000_000 });
    const client = ledger.client();
    await client.write([createTuple(ALICE, { expiresAtMs: 900_000 })]);
    ledger.clock.set(800_000);
    await client.write([setEntity("k", "v")]);
    expect((await client.hasTuple(ALICE)).stored).toBe(false);
    for (const wrong of [Number.NaN, -1, 0.5]) {
      expect(() => ledger.clock.set(wrong)).toThrow(/whole milliseconds/);
    }
  });

  it("forgets an idempotency key a day later", async () => {
    const ledger = createFakeLedger();
    const client = ledger.client();
    const transaction = { operations: [createTuple(ALICE)], idempotencyKey: "once" };
    await client.write(transaction);
    ledger.clock.advance(24 * 60 * 60 * 1_000 - 1);
    expect((await client.write(transaction)).replayed).toBe(true);
    ledger.clock.advance(1);
    expect((await client.write(transaction)).replayed).toBe(false);
  });

  it("is the clock of its verifying clients: a head does not become stale while it stands still", async () => {
    const ledger = createFakeLedger({ nowMs: 5_000 });
    const verify = { anchor: ledger.anchor(), pinnedRoots: new MemoryRoots() };
    const client = ledger.client({ verify });
    await client.write([createTuple(ALICE)]);
    const { stored, verified } = await client.hasTuple(ALICE);
    expect([stored, verified?.timeMs]).toEqual([true, 5_000n]);
  });
});

describe("clients of a fake ledger", () => {
  it("are told that it has no disk", async () => {
    const { admin } = createFakeLedger().client();
    expect((await rejectedBy(admin.compact())).code).toBe("UNIMPLEMENTED");
    expect((await rejectedBy(admin.checkIntegrity())).code).toBe("UNIMPLEMENTED");
  });

  it("share it, and two ledgers share nothing", async () => {
    const ledger = createFakeLedger();
    await ledger.client().write([createTuple(ALICE)]);
    expect((await ledger.client().hasTuple(ALICE)).stored).toBe(true);
    expect((await createFakeLedger().client().hasTuple(ALICE)).stored).toBe(false);
    const elsewhere = createFakeLedger().client({ tenant: ledger.tenant });
    expect((await rejectedBy(elsewhere.hasTuple(ALICE))).code).toBe("ORGANIZATION_NOT_FOUND");
  });

  it("hold nothing of the ledger in their hands: what was sent and what came are copies", async () => {
    const client = createFakeLedger().client();
    const value = Uint8Array.of(1);
    await client.write([setEntity("k", value)]);
    value[0] = 2;
    const first = await client.read("k");
    first.entity!.value[0] = 3;
    expect((await client.read("k")).entity?.value).toEqual(Uint8Array.of(1));
  });

  it("meet the limit of a message", async () => {
    const client = createFakeLedger().client();
    const value = new Uint8Array(1 << 20);
    for (let i = 0; i < 9; i++) await client.write([setEntity(`k${i}`, value)]);
    const keys = Array.from({ length: 9 }, (_, i) => `k${i}`);
    expect((await rejectedBy(client.batchRead(keys))).code).toBe("LIMIT_EXCEEDED");
    // Single reads of one tick are split until they fit.
    const answers = await Promise.all(keys.map((key) => client.read(key)));
    expect(answers.map(({ entity }) => entity?.value.length)).toEqual(keys.map(() => 1 << 20));
  });
});
