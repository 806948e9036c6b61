/** Signing under marks, over a log that is synced when the test says so and vaults that are a list of leaves. */
import { verifyCheckpoint } from "@authledger/proof";
import { LedgerError } from "@authledger/types";
import type { Wal } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { CHECKPOINT_REUSE_MS } from "../../src/limits.js";
import { type SignedHead, Signer } from "../../src/signer.js";
import { clientDeps, settle, TestTime } from "../engine-support.js";
import { GROUP, MarkLog, TestVault } from "../heads-support.js";

const { hasher } = clientDeps;
const secret = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const SECRETS = { logSeed: secret(1), replicaSeed: secret(2), pageTokenKey: secret(3) };

class Scene {
  readonly time = new TestTime();
  readonly log = new MarkLog();
  readonly refused: LedgerError[] = [];
  readonly signer = new Signer(GROUP, "replica-1.test", SECRETS, {
    wal: this.log as unknown as Wal,
    clock: this.time,
    hasher,
    soon: (run) => void Promise.resolve().then(run),
    onHalt: (error) => this.refused.push(error),
  });

  /** Asks for a head, and lets the log sync it. */
  async head(vault: TestVault): Promise<SignedHead> {
    const head = this.signer.head(vault.open);
    await settle();
    for (const { done } of this.log.appends.splice(0)) done();
    return head;
  }

  /** Size, root and time of what a client verifies in a note. */
  read({ note }: SignedHead, vault: TestVault): { size: number; root: Uint8Array; timeS: number } {
    const { origin } = vault.row;
    const policy = this.signer.firstPolicy(origin);
    const { size, root, times } = verifyCheckpoint(note, origin, policy, clientDeps);
    return { size: Number(size), root, timeS: Number(times[0]) };
  }
}

describe("a head", () => {
  test("is signed with the log key of its vault and by this replica, as the first policy says", async () => {
    const scene = new Scene();
    const vault = new TestVault(3, 5);
    const head = await scene.head(vault);
    const { wallMs } = scene.time;
    const expected = { size: 5, root: vault.history.root(), timeS: Math.floor(wallMs / 1000) };
    expect(scene.read(head, vault)).toEqual(expected);
    const other = scene.signer.firstPolicy("ledger.test/1/4").logKeys[0]!.publicKey;
    expect(other).not.toEqual(scene.signer.firstPolicy(vault.row.origin).logKeys[0]!.publicKey);
  });

  test("that is young and of the same size is given out again, without another mark", async () => {
    const scene = new Scene();
    const vault = new TestVault(3, 5);
    const head = await scene.head(vault);
    scene.time.advance(CHECKPOINT_REUSE_MS - 1);
    expect(await scene.signer.head(vault.open)).toEqual(head);
    scene.time.advance(1);
    const later = await scene.head(vault);
    expect(scene.read(later, vault).timeS).toBe(scene.read(head, vault).timeS + 1);
  });

  test("asked for by many in one turn is signed once; heads of several vaults share an append", async () => {
    const scene = new Scene();
    const vaults = [new TestVault(1, 2), new TestVault(2, 3)];
    const heads = [...vaults, ...vaults].map((vault) => scene.signer.head(vault.open));
    await settle();
    expect(scene.log.appends.map(({ records }) => records.map(({ size }) => size))).toEqual([
      [2, 3],
    ]);
    scene.log.appends[0]!.done();
    const [first, , again] = await Promise.all(heads);
    expect(first).toBe(again);
    await scene.signer.idle();
  });

  test("is wanted when its vault has another size than the mark", async () => {
    const scene = new Scene();
    const vault = new TestVault(1, 2);
    expect(scene.signer.isMoved(vault.open)).toBe(true);
    await scene.head(vault);
    expect(scene.signer.isMoved(vault.open)).toBe(false);
    expect(scene.signer.isMoved(vault.grow().open)).toBe(true);
    expect(scene.signer.isMoved(new TestVault(1, 1).open)).toBe(true);
  });
});

describe("INV-SIGN-2", () => {
  test("no signature leaves before its mark is synced, and none when it cannot be", async () => {
    const scene = new Scene();
    const vault = new TestVault(3, 5);
    let left = false;
    const head = scene.signer.head(vault.open).finally(() => {
      left = true;
    });
    await settle(20);
    expect(left).toBe(false);
    const error = new LedgerError("SYNC_FAILED", "EIO");
    scene.log.appends[0]!.done(error);
    expect(await rejectedBy(head)).toBe(error);
    await scene.signer.idle();
  });

  /**
   * The story: the time came from the clock and from the mark in the log, where a request of the same turn was
   * not yet; a clock that went back in between gave the larger size the smaller time.
   */
  test("times do not go back with the clock, also not between two heads of one turn", async () => {
    const scene = new Scene();
    const vault = new TestVault(3, 5);
    const first = scene.signer.head(vault.open);
    scene.time.wallMs -= 90_000;
    const second = scene.signer.head(vault.grow().open);
    await settle();
    scene.log.appends[0]!.done();
    const heads = await Promise.all([first, second]);
    const [a, b] = heads.map((head) => scene.read(head, vault));
    expect([a!.size, b!.size]).toEqual([5, 6]);
    expect(b!.timeS).toBe(a!.timeS);
    scene.time.wallMs -= 90_000;
    expect(scene.read(await scene.head(vault.grow()), vault).timeS).toBe(a!.timeS);
  });

  test("a history that does not continue the mark is not signed", async () => {
    const scene = new Scene();
    await scene.head(new TestVault(3, 5));
    scene.time.advance(CHECKPOINT_REUSE_MS);
    for (const other of [new TestVault(3, 4), new TestVault(3, 5, 1), new TestVault(3, 6, 1)]) {
      const refused = await rejectedBy(scene.signer.head(other.open));
      expect(refused.code).toBe("SIGNING_REFUSED");
      expect(refused.details).toMatchObject({ signedSize: 5, size: other.size });
      expect(scene.refused.pop()).toBe(refused);
    }
    await scene.head(new TestVault(3, 6));
  });

  test("on a full disk only what the last mark says is signed again, with its time", async () => {
    const scene = new Scene();
    const vault = new TestVault(3, 5);
    const before = await scene.head(vault);
    scene.time.advance(60_000);
    const full = new LedgerError("DISK_FULL", "no room");
    const again = scene.signer.head(vault.open);
    await settle();
    scene.log.appends.pop()!.done(full);
    expect((await again).note).toBe(before.note);
    const moved = scene.signer.head(vault.grow().open);
    await settle();
    scene.log.appends.pop()!.done(full);
    expect(await rejectedBy(moved)).toBe(full);
  });
});
