/** `audit run` where it is stopped, finds something, or the node is away for a while: what it says, and what it throws. */
import { existsSync, readFileSync } from "node:fs";
import type { BlockProof } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { loadAuditHead } from "../../src/audit/audit-head.js";
import { Contradiction } from "../../src/audit/contradiction.js";
import { type Asked, auditOf, watching } from "./audit-command.js";
import { create, type Scene, start, write } from "./audit-scene.js";

function forged(proof: BlockProof): BlockProof {
  const witness = Uint8Array.from(proof.witness);
  witness[witness.length - 1]! ^= 1;
  return { ...proof, witness };
}

async function threeBlocks(): Promise<Scene> {
  const scene = await start();
  for (let i = 0; i < 3; i++) await write(scene.client, create(i));
  return scene;
}

describe("an audit that is stopped (INV-AUDIT-4)", () => {
  // The time of a CI job was over while `audit run --once` fetched blocks. The cancelled call was taken for the wished
  // end: "nothing contradicts" and exit 0 for a history of which half had not been run.
  it("has not passed when it was to reach the signed head", async () => {
    const scene = await threeBlocks();
    const stopped = auditOf(scene);
    const getBlockProof: Asked["getBlockProof"] = (height, options) => {
      if (height === 2n) stopped.abort.abort("terminated");
      return scene.client.getBlockProof(height, options);
    };
    const error = await rejectedBy(stopped.run({ getBlockProof }, { once: true }));
    expect([error.code, error.row.exit]).toEqual(["CANCELLED", "UNAVAILABLE"]);
    expect(stopped.said.join("\n")).not.toContain("nothing contradicts");
    const audit = auditOf(scene);
    await audit.run({}, { once: true });
    expect(audit.said.at(-1)).toBe("4 blocks executed, nothing contradicts");
  });

  it("has done what it was asked for when it was to follow", async () => {
    const audit = auditOf(await threeBlocks());
    await audit.run(watching(audit));
    expect(audit.said.at(-1)).toBe("4 blocks executed, nothing contradicts");
  });

  // Proofs that had come before Ctrl-C were still executed, and one of them contradicted its header: the signal was taken
  // for the cause, and the contradiction was swallowed.
  it("tells a contradiction that it has found before", async () => {
    const scene = await threeBlocks();
    const audit = auditOf(scene);
    const getBlockProof: Asked["getBlockProof"] = async (height) => {
      const proof = await scene.client.getBlockProof(height);
      if (height !== 2n) return proof;
      audit.abort.abort("interrupted");
      return forged(proof);
    };
    const found = await rejectedBy(audit.run({ getBlockProof }));
    expect(found).toBeInstanceOf(Contradiction);
    expect(found.row.exit).toBe("VERIFICATION_FAILED");
    expect(audit.said.at(-1)).toMatch(/^evidence: .*\n$/);
  });
});

describe("a contradiction (INV-AUDIT-4)", () => {
  // The disk was full when the evidence was to be written: the command ended with "cannot write", exit 74, and neither
  // said what it had found nor showed it.
  it("ends the audit with its own error where the evidence cannot be written, which is then told", async () => {
    const scene = await threeBlocks();
    const audit = auditOf(scene);
    const getBlockProof: Asked["getBlockProof"] = async (height, options) => {
      const proof = await scene.client.getBlockProof(height, options);
      return height === 2n ? forged(proof) : proof;
    };
    const found = await rejectedBy(audit.run({ getBlockProof }, { evidence: "/dev/full/x" }));
    expect(found).toBeInstanceOf(Contradiction);
    const told = audit.said.at(-1)!;
    expect(told).toContain(`${found.message}; the evidence is here, since it cannot write /dev/`);
    const evidence = JSON.parse(told.split("\n")[1]!) as Record<string, unknown>;
    expect(evidence).toMatchObject({ kind: "block", height: 2, message: found.message });
  });
});

describe("an audit that follows", () => {
  // Two of three voters were lost for some seconds. The watch went on at the third one, whose heartbeat made the auditor
  // ask for a checkpoint: NO_LEADER, thrown through the loop, ended an audit that was to follow for ever.
  it("outlives a node that does not answer its questions for a while, and misses nothing", async () => {
    const scene = await threeBlocks();
    const audit = auditOf(scene);
    const failing: LedgerError[] = [];
    const getCheckpoint: Asked["getCheckpoint"] = async (options) => {
      const failure = failing.pop();
      if (failure !== undefined) throw failure;
      return scene.client.getCheckpoint(options);
    };
    const away = async (): Promise<void> => {
      await write(scene.client, create(7));
      failing.push(new LedgerError("NO_LEADER", "nobody leads"));
    };
    const back = async (): Promise<void> => {
      expect((await loadAuditHead(audit.state))!.position.size).toBe(4);
    };
    await audit.run({ getCheckpoint, ...watching(audit, away, back) });
    expect(audit.said).toContain("the node is away: nobody leads");
    expect(audit.said.at(-1)).toBe("5 blocks executed, nothing contradicts");
    expect(readFileSync(audit.state, "utf8")).toContain('"blocks": 5');
  });

  it("ends with what no later question cures, and when its first one is not answered", async () => {
    const audit = auditOf(await threeBlocks());
    const refusing = (code: "NO_LEADER" | "PERMISSION_DENIED"): Pick<Asked, "getCheckpoint"> => ({
      getCheckpoint: () => Promise.reject(new LedgerError(code, "no")),
    });
    expect((await rejectedBy(audit.run(refusing("NO_LEADER")))).code).toBe("NO_LEADER");
    expect(existsSync(audit.state)).toBe(false);
    const scene = await threeBlocks();
    const other = auditOf(scene);
    let asked = 0;
    const { getCheckpoint: refuse } = refusing("PERMISSION_DENIED");
    const getCheckpoint: Asked["getCheckpoint"] = (options) =>
      ++asked === 1 ? scene.client.getCheckpoint(options) : refuse(options);
    const ended = other.run({ getCheckpoint, ...watching(other, async () => undefined) });
    expect((await rejectedBy(ended)).code).toBe("PERMISSION_DENIED");
  });
});
