/** Two signed heads that cannot both be true: kept, told, and decided by nobody here. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { checkpointBody, formatCheckpoint } from "@authledger/proof";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { encodeCosignRequest } from "../../src/cluster/cosign-frames.js";
import { EVIDENCE_FILES_MAX, EvidenceStore } from "../../src/cluster/evidence-store.js";
import { answerOf, ORIGIN, read, SIZE } from "../cosign-support.js";
import { clientDeps } from "../engine-support.js";
import { type Replica, Replicas, TestVault, VAULT } from "../heads-support.js";

describe("heads that contradict each other", () => {
  test("are kept by both sides, told once, and decided by nobody (INV-COSIGN-6)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    b.vault = new TestVault(VAULT, SIZE, 1);
    await answerOf(replicas, b);
    const head = await leader.signer.head(leader.vault!.open);
    expect(read(head, replicas.policy).signers).not.toContain(b.signer.keys.replica.name);
    await replicas.settle();
    for (const node of [leader, b]) expect(node.evidence.files).toHaveLength(1);
    expect(leader.alarms.join("\n")).toMatch(/node 2 does not cosign .* another root/);
    expect(b.alarms.join("\n")).toContain("shown by node 1");
    const told = b.alarms.length;
    replicas.time.advance(1_000);
    await leader.signer.head(leader.vault!.open);
    await replicas.settle();
    for (const node of [leader, b]) expect(node.evidence.files).toHaveLength(1);
    expect(b.alarms).toHaveLength(told);
  });

  test("are not judged by a replica whose own history is wrong (INV-REPLICA-11)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const { note } = await leader.signer.head(leader.vault!.open);
    b.vault = new TestVault(VAULT, SIZE, 1);
    b.stateProblem = new LedgerError("REPLICA_DIVERGED", "not that of the majority");
    const payload = encodeCosignRequest({ type: "contradiction", vault: VAULT, note });
    b.exchange.onFrame(leader.id, "cosignRequest", payload);
    await replicas.settle();
    expect([b.evidence.files, b.alarms]).toEqual([[], []]);
  });

  // It asked whether it was right when the head came, and not when the own mark was durable: a note of its wrong root left.
  test("are not kept or answered where this node is found to be wrong while its own mark is synced (INV-REPLICA-11)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const { note } = await leader.signer.head(leader.vault!.open);
    await replicas.settle();
    b.vault = new TestVault(VAULT, SIZE, 1);
    b.log.isQuick = false;
    const payload = encodeCosignRequest({ type: "contradiction", vault: VAULT, note });
    b.exchange.onFrame(leader.id, "cosignRequest", payload);
    await replicas.settle();
    b.stateProblem = new LedgerError("REPLICA_DIVERGED", "not that of the majority");
    b.log.appends[0]!.done();
    await replicas.settle();
    expect([b.evidence.files, b.alarms]).toEqual([[], []]);
  });

  // What it shows of its own was signed by a mark that was still on its way to the disk.
  test("are answered with an own head only when its mark is durable (INV-SIGN-2)", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader] = replicas.nodes as [Replica];
    const { open } = leader.vault!;
    const body = checkpointBody({
      ...{ origin: ORIGIN, size: BigInt(SIZE), root: new Uint8Array(32).fill(7) },
    });
    const forged = formatCheckpoint(body, [leader.signer.keys.logLine(ORIGIN, body)]);
    leader.log.isQuick = false;
    const signing = rejectedBy(leader.signer.request(open).signed);
    await replicas.settle();
    let isJudged = false;
    const judged = leader.contradictions.judge(open, forged, "client").finally(() => {
      isJudged = true;
    });
    await replicas.settle();
    expect([isJudged, leader.log.appends.length]).toEqual([false, 2]);
    const full = new LedgerError("DISK_FULL", "no room");
    for (const { done } of leader.log.appends.splice(0).reverse()) done(full);
    expect(await judged).toMatchObject({ judgement: "contradiction", own: "" });
    expect(await signing).toBe(full);
  });

  test("are found again after a restart, and there is room for so many and no more (INV-COSIGN-6)", async () => {
    const deps = { disk: new MemoryDisk(), hasher: clientDeps.hasher };
    const store = await EvidenceStore.open("/data", deps);
    const about = { origin: ORIGIN, seenMs: 1, from: "client", own: "" };
    const pair = (i: number) => ({ ...about, received: `${i}\n\n`, ownRoot: `${i}` });
    for (let i = 0; i < EVIDENCE_FILES_MAX; i++) expect(await store.keep(pair(i))).toBe(true);
    expect(await store.keep(pair(EVIDENCE_FILES_MAX))).toBe(false);
    const disk = deps.disk.crash(new SeededRandom(1), { unsynced: "lost" });
    const again = await EvidenceStore.open("/data", { ...deps, disk });
    expect(again.files).toEqual(store.files);
    expect(again.files).toHaveLength(EVIDENCE_FILES_MAX);
    expect(await again.keep(pair(0))).toBe(false);
  });

  test("are judged when a client shows one: consistent, larger, contradicting, or signed by nobody", async () => {
    const replicas = await Replicas.of(3, SIZE);
    const [leader, b] = replicas.nodes as [Replica, Replica];
    const vault = b.vault!.open;
    const { note } = await leader.signer.head(leader.vault!.open);
    const judge = async (text: string): Promise<string> =>
      (await b.contradictions.judge(vault, text, "client")).judgement;
    expect(await judge(note)).toBe("consistent");
    replicas.grow();
    replicas.time.advance(1_000);
    const larger = (await leader.signer.head(leader.vault!.open)).note;
    b.vault = new TestVault(VAULT, SIZE);
    expect((await b.contradictions.judge(b.vault.open, larger, "client")).judgement).toBe("larger");
    const root = new Uint8Array(32).fill(7);
    const body = checkpointBody({ origin: ORIGIN, size: BigInt(SIZE), root });
    const forged = formatCheckpoint(body, [leader.signer.keys.logLine(ORIGIN, body)]);
    expect(await judge(forged)).toBe("contradiction");
    expect(b.evidence.files).toHaveLength(1);
    const unsigned = forged.replace(`${SIZE}\n`, `${SIZE - 1}\n`);
    expect((await rejectedBy(judge(unsigned))).code).toBe("PROOF_INVALID");
    expect(b.evidence.files).toHaveLength(1);
  });
});
