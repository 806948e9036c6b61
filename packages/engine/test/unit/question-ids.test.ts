/** Answers of others that come late: after the node that asked was started again. */
import { SeededRandom } from "@authledger/io";
import { nodeId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import {
  decodeCosignRequest,
  type HeadAnswer,
  type HeadQuestion,
} from "../../src/cluster/cosign-frames.js";
import { HeadAsker } from "../../src/cluster/head-asker.js";
import { QuestionIds } from "../../src/cluster/question-ids.js";
import { settle, TestTime } from "../engine-support.js";

const ME = nodeId(1n);
const LEADER = nodeId(2n);

/** One life of a node that asks the leader for heads. */
class Life {
  readonly questions: HeadQuestion[] = [];
  readonly asker: HeadAsker;

  constructor(seed: number) {
    const time = new TestTime();
    this.asker = new HeadAsker({
      ...{ clock: time, timers: time, random: new SeededRandom(seed) },
      soon: (run) => void Promise.resolve().then(run),
      cluster: {
        self: ME,
        isLeading: () => false,
        leader: () => LEADER,
        voters: () => [],
        clockProblem: () => undefined,
        stateProblem: () => undefined,
        isInDoubt: () => false,
        send: (_to, _kind, payload) => {
          const request = decodeCosignRequest(payload);
          if (request.type === "ask") this.questions.push(...request.questions);
        },
      },
    });
  }

  async ask(vault: number): Promise<{ readonly note: Promise<string>; readonly id: number }> {
    const note = this.asker.head(vault, { minSize: 1, cosignatures: 0 }).then((head) => head.note);
    await settle(2);
    return { note, id: this.questions.at(-1)!.id };
  }
}

function answer(id: number, note: string): HeadAnswer {
  return { id, result: { kind: "head", size: 9, timeMs: 1_000, note } };
}

describe("INV-ASK-1: questions to the leader", () => {
  // Seed 3030 of whole nodes: the leader's disk was stuck for 3 s, a follower was killed and started again meanwhile, and
  // counted its questions from 1 as in the life before. What the leader then answered about one vault was given to the
  // client of another one, whose light client refused it: "the checkpoint is of .../1, not of .../2".
  test("the answer to a question of a former life passes for none of this life", async () => {
    const before = await new Life(1).ask(7);
    const life = new Life(2);
    const { note, id } = await life.ask(8);
    life.asker.answered([answer(before.id, "a head of vault 7")]);
    life.asker.answered([answer(id, "a head of vault 8")]);
    expect(await note).toBe("a head of vault 8");
  });

  test("have names that are exact numbers, each given out once", () => {
    const last = new QuestionIds({ bytes: (length) => new Uint8Array(length).fill(0xff) });
    expect(last.next()).toBe(2 ** 48 - 1);
    expect(last.next()).toBe(2 ** 48);
    const first = new QuestionIds({ bytes: (length) => new Uint8Array(length) });
    expect([first.next(), first.next()]).toEqual([0, 1]);
  });
});
