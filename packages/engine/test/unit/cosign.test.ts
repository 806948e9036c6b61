/** Heads that three replicas sign together: who signs what and what not, and what is served when some are away. */
import { verifyCheckpoint } from "@authledger/proof";
import { LedgerError, type NodeId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import {
  type CosignAnswer,
  CosignRefusal,
  decodeCosignReply,
  decodeCosignRequest,
  encodeCosignReply,
  encodeCosignRequest,
  type HeadToSign,
} from "../../src/cluster/cosign-frames.js";
import {
  COSIGN_APPLY_WAIT_MS,
  COSIGN_RESEND_MS,
  COSIGN_SKEW_MS,
  HEAD_WAIT_MS,
} from "../../src/cluster/cosign-limits.js";
import { CosignedHead } from "../../src/cluster/cosigned-head.js";
import type { SignedHead } from "../../src/signer.js";
import { answerOf, ORIGIN, read, SIZE } from "../cosign-support.js";
import { clientDeps } from "../engine-support.js";
import { type Replica, Replicas, TestVault, VAULT } from "../heads-support.js";

describe("a served head", () => {
  test("carries the log's signature and those of all who answer, of one time (INV-COSIGN-3)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    const head = await leader.signer.head(leader.vault!.open, { minSize: 0, cosignatures: 3 });
    const { size, timeS, signers } = read(head, replicas.policy);
    expect({ size, timeS }).toEqual({ size: SIZE, timeS: Math.floor(replicas.time.wallMs / 1000) });
    expect(signers).toHaveLength(3);
    for (const { mark } of [leader, b, c]) expect(mark).toMatchObject({ size: SIZE });
  });

  test("is there when a majority has signed, and gets better when the others come", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, , c] = replicas.nodes as [Replica, Replica, Replica];
    replicas.down.add(c.id);
    const head = await leader.signer.head(leader.vault!.open);
    expect(read(head, replicas.policy).signers).toHaveLength(2);
    replicas.down.delete(c.id);
    const all = leader.signer.head(leader.vault!.open, { minSize: 0, cosignatures: 3 });
    replicas.time.advance(COSIGN_RESEND_MS);
    expect(read(await all, replicas.policy).signers).toHaveLength(3);
  });

  test("is refused with how many are missing while two of three are away", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    for (const { id } of [b, c]) replicas.down.add(id);
    const refused = rejectedBy(leader.signer.head(leader.vault!.open));
    await replicas.settle();
    replicas.time.advance(HEAD_WAIT_MS);
    await replicas.settle();
    replicas.time.advance(COSIGN_RESEND_MS);
    const { code, details, retry } = await refused;
    expect(code).toBe("COSIGNATURES_MISSING");
    expect(details).toMatchObject({ origin: ORIGIN, have: 1, need: 2, missing: 1 });
    expect(retry.kind).toBe("safe");
    // They come back, and nothing of it is in the way.
    replicas.down.clear();
    expect((await leader.signer.head(leader.vault!.open)).size).toBe(SIZE);
  });

  // Seed 800001696 of the whole nodes: a leader's clock was behind its marks, so that each head had the time of the one before; the
  // answers went to the newest, who waited for another waited for ever, and with it the policies, and no node could be removed.
  test("is the same one for all who ask while the clock is behind what was signed last", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    await leader.signer.head(leader.vault!.open);
    replicas.time.wallMs -= 2_500;
    leader.grow();
    const asked: Promise<SignedHead>[] = [];
    for (let i = 0; i < 3; i++) {
      asked.push(leader.signer.head(leader.vault!.open));
      await Promise.resolve();
    }
    for (const { grow } of [b, c].map((node) => ({ grow: () => node.grow() }))) grow();
    const heads = await Promise.all(asked);
    expect(new Set(heads.map(({ size }) => size))).toEqual(new Set([SIZE + 1]));
    expect(new Set(heads.map(({ timeMs }) => timeMs)).size).toBe(1);
  });

  test("that another of the same size and time takes the place of is passed on to it", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    const { open } = leader.vault!;
    const [one, other] = [0, 1].map(() => {
      const content = { vault: VAULT, origin: ORIGIN, size: SIZE, root: open.history.root() };
      return new CosignedHead({ ...content, timeMs: replicas.time.wallMs }, [replicas.policy]);
    }) as [CosignedHead, CosignedHead];
    const waits = one.wait(0);
    const collecting = leader.signer.collecting!;
    collecting.ask([one]);
    collecting.ask([other]);
    other.cosigned(leader.signer.keys.replica, leader.signer.keys.cosign(other.body, other.timeMs));
    other.signedByLog(leader.signer.keys.logLine(ORIGIN, other.body));
    expect((await waits).size).toBe(SIZE);
  });

  // Seed 820000034 of the whole nodes: the first who looked at a rotten page was who cosigns, and nobody took the error.
  test("is not signed by a replica that cannot read its own state: it halts, and the others sign", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const rotten = new LedgerError("STORE_PAGE_CORRUPT", "page 42 of table history");
    Object.defineProperty(b.vault!, "open", {
      get: () => {
        throw rotten;
      },
    });
    const head = await leader.signer.head(leader.vault!.open);
    expect(read(head, replicas.policy).signers).toHaveLength(2);
    expect(b.refused).toContain(rotten);
    expect(b.mark).toBeUndefined();
  });

  // All had answered, one of them with a refusal: the head was forgotten as done, and who wanted one signature more waited for ever.
  test("that somebody wants from a replica that refuses is refused in time, and made anew once it does not", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    b.isWhole = false;
    const wish = { minSize: 0, cosignatures: 3 };
    const wanted = leader.signer.head(leader.vault!.open, wish);
    expect(
      read(await leader.signer.head(leader.vault!.open), replicas.policy).signers,
    ).toHaveLength(2);
    await replicas.settle();
    replicas.time.advance(HEAD_WAIT_MS);
    expect((await rejectedBy(wanted)).code).toBe("COSIGNATURES_MISSING");
    await leader.signer.head(leader.vault!.open);
    await replicas.settle();
    b.isWhole = true;
    const all = await leader.signer.head(leader.vault!.open, wish);
    expect(read(all, replicas.policy).signers).toHaveLength(3);
  });

  test("that somebody wants from more replicas than there are is refused at once", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    const wish = { minSize: 0, cosignatures: 4 };
    const { code } = await rejectedBy(leader.signer.head(leader.vault!.open, wish));
    expect(code).toBe("INVALID_ARGUMENT");
  });

  test("satisfies the policy before and the next one while clients may hold either", async () => {
    const replicas = await Replicas.of(4, SIZE);
    const [leader] = replicas.nodes as [Replica];
    const before = replicas.policyAfter(replicas.policy, [1, 2]);
    const next = replicas.policyAfter(before, [2, 3, 4]);
    leader.policies = [before, next];
    const head = leader.signer.head(leader.vault!.open);
    const { note } = await head;
    for (const policy of [before, next]) {
      expect(
        verifyCheckpoint(note, ORIGIN, { ...policy, fromSize: 1 }, clientDeps).times.length,
      ).toBeGreaterThanOrEqual(policy.quorum);
    }
    leader.grow();
    for (const node of replicas.nodes.slice(1)) node.grow();
    replicas.down.add(replicas.nodes[1]!.id);
    const refused = rejectedBy(leader.signer.head(leader.vault!.open));
    await replicas.settle();
    replicas.time.advance(HEAD_WAIT_MS);
    // The policy before needs 1 and 2, and 2 is away: 3 and 4 alone are not enough.
    expect((await refused).details).toMatchObject({ have: 1, need: 2, missing: 1 });
  });

  test("holds no signature that does not verify: a spoiled one counts as none (INV-COSIGN-4)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    replicas.meddle = (from, payload) => {
      if (from !== b.id) return payload;
      const spoiled = payload.slice();
      spoiled[spoiled.length - 1]! ^= 1;
      return spoiled;
    };
    const { signers } = read(await leader.signer.head(leader.vault!.open), replicas.policy);
    expect(signers).toHaveLength(2);
    expect(signers).not.toContain(b.signer.keys.replica.name);
  });

  test("survives lost frames: who has not answered is asked again", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    let lost = 3;
    replicas.meddle = (_, payload) => (lost-- > 0 ? undefined : payload);
    const head = leader.signer.head(leader.vault!.open);
    for (let i = 0; i < 4; i++) {
      await replicas.settle();
      replicas.time.advance(COSIGN_RESEND_MS);
    }
    expect((await head).size).toBe(SIZE);
  });

  test("asked for by many in one turn takes one frame to each voter, and one of the same second is reused", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    let frames = 0;
    replicas.meddle = (from, payload) => {
      if (from === leader.id) frames++;
      return payload;
    };
    const ask = (): Promise<SignedHead> => leader.signer.head(leader.vault!.open);
    const [first] = await Promise.all([ask(), ask(), ask()]);
    expect(frames).toBe(2);
    await replicas.settle();
    expect((await ask()).timeMs).toBe(first!.timeMs);
    expect(frames).toBe(2);
    replicas.time.advance(1_000);
    expect((await ask()).timeMs).toBe(first!.timeMs + 1_000);
    expect(frames).toBe(4);
  });
});

describe("a replica", () => {
  test("signs what it has applied itself, and waits for blocks that are on their way (INV-COSIGN-1)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    leader.grow();
    const head = leader.signer.head(leader.vault!.open);
    await replicas.settle();
    for (const { mark } of [b, c]) expect(mark).toBeUndefined();
    b.grow();
    expect((await head).size).toBe(SIZE + 1);
    expect([b.mark?.size, c.mark?.size]).toEqual([SIZE + 1, undefined]);
  });

  test("that does not get the blocks in time says that it is behind", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    const answer = answerOf(replicas, b, { size: SIZE + 1 });
    replicas.time.advance(COSIGN_APPLY_WAIT_MS);
    expect(await answer).toMatchObject({ kind: "refused", why: CosignRefusal.behind });
    expect(b.mark).toBeUndefined();
  });

  test("does not sign a root that is not that of its own history (INV-COSIGN-1)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    const root = new Uint8Array(32).fill(9);
    const refused = { kind: "refused", why: CosignRefusal.otherRoot };
    expect(await answerOf(replicas, b, { root })).toMatchObject(refused);
    expect(b.mark).toBeUndefined();
    // Nor the right root of another size.
    const ofFour = b.signer.marks.rootAt(b.vault!.open, SIZE - 1);
    expect(await answerOf(replicas, b, { root: ofFour })).toMatchObject(refused);
  });

  test("never signs a smaller size or an earlier time than it has signed (INV-COSIGN-2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    const timeMs = replicas.time.wallMs;
    expect(await answerOf(replicas, b)).toMatchObject({ kind: "signed" });
    const passed = {
      kind: "refused",
      why: CosignRefusal.passed,
      markSize: SIZE,
      markTimeMs: timeMs,
    };
    expect(await answerOf(replicas, b, { size: SIZE - 1 })).toEqual(passed);
    expect(await answerOf(replicas, b, { timeMs: timeMs - 1 })).toEqual(passed);
    // The same again is the same again: a frame may come twice.
    expect(await answerOf(replicas, b)).toMatchObject({ kind: "signed" });
    expect(await answerOf(replicas, b, { timeMs: timeMs + 1 })).toMatchObject({ kind: "signed" });
  });

  test("does not go back within one frame either (INV-COSIGN-2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const answers: CosignAnswer[] = [];
    replicas.meddle = (_, payload) => {
      const reply = decodeCosignReply(payload);
      if (reply.type === "answers") answers.push(...reply.answers);
      return undefined;
    };
    const heads = [SIZE, SIZE - 1, SIZE].map((size): HeadToSign => {
      const root = b.signer.marks.rootAt(b.vault!.open, size);
      return { vault: VAULT, size, root, timeMs: replicas.time.wallMs };
    });
    b.exchange.onFrame(leader.id, "cosignRequest", encodeCosignRequest({ type: "sign", heads }));
    await replicas.settle();
    const kinds = answers.map(({ size, result }) => `${size} ${result.kind}`);
    expect(kinds.sort()).toEqual(["4 refused", "5 signed"]);
  });

  test("signs no time, and no block, that is further ahead of its clock than the skew (INV-COSIGN-2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    const limit = replicas.time.wallMs + COSIGN_SKEW_MS;
    const ahead = { kind: "refused", why: CosignRefusal.ahead };
    expect(await answerOf(replicas, b, { timeMs: limit + 1 })).toMatchObject(ahead);
    b.vault!.timestampMs = limit + 1;
    expect(await answerOf(replicas, b, { timeMs: limit })).toMatchObject(ahead);
    b.vault!.timestampMs = limit;
    expect(await answerOf(replicas, b, { timeMs: limit })).toMatchObject({ kind: "signed" });
  });

  test("sends no signature before its mark is synced, and none when it cannot be (INV-COSIGN-2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    for (const { log } of [b, c]) log.isQuick = false;
    let isSigned = false;
    const head = leader.signer.head(leader.vault!.open).finally(() => {
      isSigned = true;
    });
    await replicas.settle();
    expect(isSigned).toBe(false);
    expect(b.log.appends.map(({ records }) => records.length)).toEqual([1]);
    const { LedgerError } = await import("@authledger/types");
    c.log.appends[0]!.done(new LedgerError("DISK_FULL", "no room"));
    await replicas.settle();
    expect(isSigned).toBe(false);
    b.log.appends[0]!.done();
    expect(read(await head, replicas.policy).signers).toHaveLength(2);
  });

  test("signs nothing over a vault that is not whole, or is deleted", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b, c] = replicas.nodes as [Replica, Replica, Replica];
    b.isWhole = false;
    c.isGone = true;
    const refused = (why: number): object => ({ kind: "refused", why });
    expect(await answerOf(replicas, b)).toMatchObject(refused(CosignRefusal.diverged));
    expect(await answerOf(replicas, c)).toMatchObject(refused(CosignRefusal.gone));
  });

  test("whose history does not continue what it signed halts (commitment.md, signing rule 2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    await answerOf(replicas, b);
    b.vault = new TestVault(VAULT, SIZE + 1, 1);
    const refused = { kind: "refused", why: CosignRefusal.diverged };
    expect(await answerOf(replicas, b)).toMatchObject(refused);
    expect(b.refused.map(({ code }) => code)).toEqual(["SIGNING_REFUSED"]);
    expect(b.mark).toMatchObject({ size: SIZE });
  });

  /*
   * The story: a replica was a second behind, and the leader asked every 100 ms. Each copy of a head waited for its blocks by itself,
   * until so many waited that the next one was refused; and each one took a mark and a signature in the end.
   */
  test("that is asked again for a head that it waits with waits once and signs once", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const answers: CosignAnswer[] = [];
    replicas.meddle = (_, payload) => {
      const reply = decodeCosignReply(payload);
      if (reply.type === "answers") answers.push(...reply.answers);
      return undefined;
    };
    leader.grow();
    const root = leader.vault!.history.root();
    const heads = [{ vault: VAULT, size: SIZE + 1, root, timeMs: replicas.time.wallMs }];
    const frame = encodeCosignRequest({ type: "sign", heads });
    const ask = (): void => b.exchange.onFrame(leader.id, "cosignRequest", frame);
    for (let i = 0; i < 5; i++) ask();
    await replicas.settle();
    expect(b.exchange.growth.waiting).toBe(1);
    b.log.isQuick = false;
    b.grow();
    await replicas.settle();
    ask();
    await replicas.settle();
    expect(b.log.appends).toHaveLength(1);
    b.log.appends[0]!.done();
    await replicas.settle();
    expect(answers.map(({ result }) => result.kind)).toEqual(["signed"]);
    // The answer may be lost: who asks behind it is answered again.
    b.log.isQuick = true;
    ask();
    await replicas.settle();
    expect(answers.map(({ result }) => result.kind)).toEqual(["signed", "signed"]);
  });

  // After a restart its state was that of the last flush, and its log held the mark of a larger size: it halted.
  test("whose mark is larger than what it has applied so far is behind, and does not halt", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    b.grow();
    await answerOf(replicas, b);
    b.vault = new TestVault(VAULT, SIZE);
    const behind = { kind: "refused", why: CosignRefusal.behind };
    expect(await answerOf(replicas, b)).toMatchObject(behind);
    expect(b.refused).toEqual([]);
    b.grow();
    expect(await answerOf(replicas, b)).toMatchObject({ kind: "signed" });
  });

  // The batch it may have lost could have held a mark whose signature left.
  test("in doubt of its log signs nothing, and later nothing that a lost mark may forbid (INV-COSIGN-2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    b.isInDoubt = true;
    const busy = { kind: "refused", why: CosignRefusal.busy };
    expect(await answerOf(replicas, b)).toMatchObject(busy);
    b.isInDoubt = false;
    const lostMs = replicas.time.wallMs + COSIGN_SKEW_MS;
    expect(await answerOf(replicas, b, { timeMs: lostMs - 1 })).toMatchObject(busy);
    expect(await answerOf(replicas, b, { timeMs: lostMs, size: SIZE - 1 })).toMatchObject(busy);
    replicas.leader = b.id;
    const refused = await rejectedBy(b.signer.head(b.vault!.open));
    expect(refused.code).toBe("COSIGNATURES_MISSING");
    expect(b.mark).toBeUndefined();
    replicas.leader = leader.id;
    replicas.time.advance(COSIGN_SKEW_MS);
    expect(await answerOf(replicas, b)).toMatchObject({ kind: "signed" });
    // From then on its marks say what it may sign.
    b.grow();
    expect(await answerOf(replicas, b, { size: SIZE })).toMatchObject({ kind: "signed" });
  });

  // A replica that was rebuilt a moment ago said "diverged": it was struck off the head, which failed where another voter was down.
  test("of one that was rebuilt comes a little later, and of a wrong one none, also of one that is found to be so while it signs (INV-REPLICA-11)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    b.stateProblem = new LedgerError("NOT_READY", "applies entries again");
    expect(await answerOf(replicas, b)).toMatchObject({ why: CosignRefusal.busy });
    const wrong = new LedgerError("REPLICA_DIVERGED", "not that of the majority");
    b.stateProblem = wrong;
    expect(await answerOf(replicas, b)).toMatchObject({ why: CosignRefusal.diverged });
    b.stateProblem = undefined;
    const append = b.log.append.bind(b.log);
    b.log.append = (records) => {
      b.stateProblem = wrong;
      return append(records);
    };
    expect(await answerOf(replicas, b)).toMatchObject({ why: CosignRefusal.busy });
    b.log.append = append;
    b.stateProblem = undefined;
    replicas.time.advance(1);
    expect(await answerOf(replicas, b)).toMatchObject({ kind: "signed" });
  });

  test("drops frames that it cannot read (INV-COSIGN-5)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    for (const kind of ["cosignRequest", "cosignReply"] as const) {
      b.exchange.onFrame(leader.id, kind, new Uint8Array(0));
      b.exchange.onFrame(leader.id, kind, Uint8Array.of(1, 1, 0xff, 0xff, 0xff, 0xff));
    }
    expect((await leader.signer.head(leader.vault!.open)).size).toBe(SIZE);
  });
});

describe("a leader", () => {
  const wrong = new LedgerError("REPLICA_DIVERGED", "not that of the majority");

  /*
   * The story: a leader knew that its state was wrong, and led on until another was elected. A follower asked it for a head: it noted the
   * wrong root as signed. Rebuilt from a peer, its history did not continue that mark, and it halted at every start for good.
   */
  test("whose state is not that of the majority signs nothing; a follower has its head from the next one (INV-REPLICA-11)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    leader.vault = new TestVault(VAULT, SIZE, 1);
    leader.stateProblem = wrong;
    leader.isWhole = false;
    const head = b.signer.head(b.vault!.open);
    await replicas.settle();
    expect(leader.mark).toBeUndefined();
    expect(await rejectedBy(leader.signer.head(leader.vault.open))).toBe(wrong);
    replicas.leader = c.id;
    replicas.time.advance(COSIGN_RESEND_MS);
    const { signers } = read(await head, replicas.policy);
    expect(signers).not.toContain(leader.signer.keys.replica.name);
    expect([leader.mark, leader.evidence.files]).toEqual([undefined, []]);
  });

  test("that is found to be wrong in the turn that makes a head, or while its mark is synced, signs nothing (INV-REPLICA-11)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    const { open } = leader.vault!;
    const early = rejectedBy(leader.signer.request(open).signed);
    leader.stateProblem = wrong;
    expect(await early).toBe(wrong);
    expect(leader.mark).toBeUndefined();
    leader.stateProblem = undefined;
    leader.log.isQuick = false;
    const late = rejectedBy(leader.signer.request(open).signed);
    await replicas.settle();
    leader.stateProblem = wrong;
    leader.log.appends[0]!.done();
    expect(await late).toBe(wrong);
  });

  // It fixed a time for its own head, then signed a later one that another leader had asked for; its own mark came after that.
  test.each([
    ["busy", CosignRefusal.busy],
    ["behind", CosignRefusal.behind],
  ])("takes the signature of a replica that said first that it is %s", async (_, why) => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    replicas.down.add(c.id);
    let refused = 0;
    // The story: it was struck off the head, and its signature was thrown away when it came.
    replicas.meddle = (from, payload) => {
      if (from !== b.id || refused > 0) return payload;
      refused++;
      const result = { kind: "refused", why, markSize: 0, markTimeMs: 0 } as const;
      const about = { vault: VAULT, size: SIZE, timeMs: replicas.time.wallMs };
      return encodeCosignReply({ type: "answers", answers: [{ ...about, result }] });
    };
    const head = leader.signer.head(leader.vault!.open);
    await replicas.settle();
    expect(refused).toBe(1);
    replicas.time.advance(COSIGN_RESEND_MS);
    expect((await head).size).toBe(SIZE);
  });

  test("makes a head anew that was overtaken by its own cosignature: its marks do not go back (INV-SIGN-2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const timeMs = replicas.time.wallMs + 1_000;
    const root = leader.vault!.history.root();
    const heads: HeadToSign[] = [{ vault: VAULT, size: SIZE, root, timeMs }];
    leader.exchange.onFrame(b.id, "cosignRequest", encodeCosignRequest({ type: "sign", heads }));
    const asked = leader.signer.request(leader.vault!.open);
    expect(asked.timeMs).toBe(timeMs - 1_000);
    expect((await asked.signed).timeMs).toBe(timeMs);
    expect(leader.mark).toMatchObject({ size: SIZE, timeMs });
  });

  // The error path of a full disk signed an older head again; without the log's key that threw where nobody caught it, and
  // the other heads of the turn were never settled.
  test("without the log's key refuses all heads of a turn on a full disk, one by one", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b] = replicas.nodes as [Replica, Replica];
    const { open } = b.vault!;
    b.policies = [replicas.policy];
    replicas.leader = b.id;
    const content = { vault: VAULT, origin: ORIGIN, size: SIZE, root: open.history.root() };
    await b.signer.marks.append([{ ...content, timeMs: replicas.time.wallMs - 60_000 }]);
    b.hasLogSeed = false;
    b.log.isQuick = false;
    const vaults = [open, new TestVault(VAULT + 1, 2).open];
    const asked = vaults.map((vault) => rejectedBy(b.signer.request(vault).signed));
    await replicas.settle();
    const full = new LedgerError("DISK_FULL", "no room");
    b.log.appends[0]!.done(full);
    expect(await Promise.all(asked)).toEqual([full, full]);
  });

  // After a jump of its clock it went on asking for heads that no replica may sign, and noted their times as its own.
  test("whose clock is not like the others' makes no head that needs them, and serves those that it has", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    const head = await leader.signer.head(leader.vault!.open);
    const skew = new LedgerError("CLOCK_SKEW", "an hour ahead");
    leader.clockProblem = skew;
    replicas.time.wallMs += 3_600_000;
    expect((await leader.signer.head(leader.vault!.open)).timeMs).toBe(head.timeMs);
    leader.grow();
    expect(await rejectedBy(leader.signer.head(leader.vault!.open))).toBe(skew);
    expect(leader.mark).toMatchObject({ size: SIZE, timeMs: head.timeMs });
    leader.clockProblem = undefined;
    replicas.time.wallMs -= 3_600_000;
    for (const node of replicas.nodes.slice(1)) node.grow();
    expect((await leader.signer.head(leader.vault!.open)).size).toBe(SIZE + 1);
  });

  // Its clock had jumped and was set back: each head had to have the time of the mark, and all others refused it for an hour.
  test("that has signed a time far ahead of its clock lets another lead, whose heads are cosigned", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const root = leader.vault!.history.root();
    const content = { vault: VAULT, origin: ORIGIN, size: SIZE, root };
    await leader.signer.marks.append([{ ...content, timeMs: replicas.time.wallMs + 3_600_000 }]);
    const { code, retry } = await rejectedBy(leader.signer.head(leader.vault!.open));
    expect([code, retry.kind, leader.ahead]).toEqual(["CLOCK_SKEW", "safe", [3_600_000]]);
    replicas.leader = b.id;
    const head = await b.signer.head(b.vault!.open);
    expect(read(head, replicas.policy).signers).not.toContain(leader.signer.keys.replica.name);
  });

  // The bound of what it may have lost was taken from a clock that was ahead: it refused all heads for an hour, and led on.
  test("whose clock was far ahead when a doubt of its log ended lets another lead, and waits where it was not", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    leader.isInDoubt = true;
    leader.signer.marks.noteDoubt(replicas.time.wallMs);
    leader.isInDoubt = false;
    leader.signer.marks.noteDoubt(replicas.time.wallMs + 3_600_000);
    const missing = await rejectedBy(leader.signer.head(leader.vault!.open));
    expect([missing.code, leader.ahead]).toEqual(["COSIGNATURES_MISSING", [3_600_000]]);
    replicas.time.advance(3_600_000 - COSIGN_SKEW_MS);
    await rejectedBy(leader.signer.head(leader.vault!.open));
    expect(leader.ahead).toHaveLength(1);
    replicas.time.advance(2 * COSIGN_SKEW_MS);
    expect((await leader.signer.head(leader.vault!.open)).size).toBe(SIZE);
  });
});

describe("a new leader", () => {
  test("whose clock is behind what others have signed signs with their time, not with one that went back", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [, b, c] = replicas.nodes as [Replica, Replica, Replica];
    const ahead = replicas.time.wallMs + 3_000;
    for (const node of [b, c]) await answerOf(replicas, node, { timeMs: ahead });
    const [leader] = replicas.nodes as [Replica];
    const asked = leader.signer.request(leader.vault!.open);
    expect(asked.timeMs).toBe(replicas.time.wallMs);
    const head = await asked.signed;
    expect(head.timeMs).toBe(ahead);
    expect(read(head, replicas.policy).timeS).toBe(Math.floor(ahead / 1000));
  });

  test("does not follow a time that is further ahead than the skew", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    b.log.marks.set(VAULT, {
      ...{ kind: "signed", group: 1, vault: VAULT, size: SIZE },
      ...{ root: b.vault!.history.root(), timeMs: replicas.time.wallMs + 60_000 },
    } as never);
    const head = await leader.signer.head(leader.vault!.open);
    expect(head.timeMs).toBe(replicas.time.wallMs);
    expect(read(head, replicas.policy).signers).not.toContain(b.signer.keys.replica.name);
  });
});

describe("a follower", () => {
  test("gets its heads from the leader, and gives one of the same second out again", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    let asked = 0;
    replicas.meddle = (from: NodeId, payload) => {
      if (from === b.id && isAsk(payload)) asked++;
      return payload;
    };
    expect(b.signer.asksLeader).toBe(true);
    const heads = await Promise.all([1, 2, 3].map(() => b.signer.head(b.vault!.open)));
    expect(read(heads[0]!, replicas.policy).signers.length).toBeGreaterThanOrEqual(2);
    expect(heads[0]!.note).toBe(
      (await leader.signer.head(leader.vault!.open)).note.slice(0, heads[0]!.note.length),
    );
    expect(await b.signer.head(b.vault!.open)).toBe(heads[0]);
    expect(asked).toBe(1);
    replicas.time.advance(1_000);
    await b.signer.head(b.vault!.open);
    expect(asked).toBe(2);
  });

  test("that has seen more than the leader has applied gets a head that covers it", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    b.grow();
    c.grow();
    const head = b.signer.head(b.vault!.open);
    await replicas.settle();
    leader.grow();
    expect((await head).size).toBe(SIZE + 1);
  });

  test("finds the next leader when the one it asked is gone", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    replicas.down.add(leader.id);
    const head = b.signer.head(b.vault!.open);
    await replicas.settle();
    replicas.leader = c.id;
    replicas.time.advance(COSIGN_RESEND_MS);
    expect((await head).size).toBe(SIZE);
  });

  test("without a leader is told that cosignatures are missing; so is who gets the leader's refusal", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b, c] = replicas.nodes as [Replica, Replica, Replica];
    replicas.leader = undefined;
    const alone = rejectedBy(b.signer.head(b.vault!.open));
    await replicas.settle();
    replicas.time.advance(HEAD_WAIT_MS);
    expect((await alone).code).toBe("COSIGNATURES_MISSING");
    replicas.leader = leader.id;
    const wish = { minSize: 0, cosignatures: 3 };
    replicas.down.add(c.id);
    const refused = rejectedBy(b.signer.head(b.vault!.open, wish));
    await replicas.settle();
    replicas.time.advance(HEAD_WAIT_MS);
    expect((await refused).code).toBe("COSIGNATURES_MISSING");
  });
});

function isAsk(payload: Uint8Array): boolean {
  try {
    return decodeCosignRequest(payload).type === "ask";
  } catch {
    return false;
  }
}
