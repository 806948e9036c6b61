/** The commands of a cluster, against a node whose account of the cluster the test writes. */
import { describe, expect, it } from "vitest";
import {
  type FakeCluster,
  LEARNER,
  member,
  startCluster,
  VOTER,
} from "../../../sdk/test/support/fake-cluster.js";
import { cliHere, type Ended } from "../e2e/processes.js";

function run({ endpoint }: FakeCluster, line: string): Promise<Ended> {
  return cliHere(["cluster", ...line.split(" "), "--endpoint", endpoint]);
}

function made({ calls }: FakeCluster): [string, unknown][] {
  return calls.filter(([name]) => name !== "status");
}

const N3_RECOVERS = [member(1), member(2), member(3, { isRecovering: true })];

describe("cluster status", () => {
  it("says in one sentence how the cluster is, and in a row how each member is", async () => {
    const fake = await startCluster({
      members: [
        member(1, { matchIndex: undefined, link: undefined }),
        member(2, { matchIndex: 96n }),
        member(3, {
          isActive: false,
          link: { isConnected: false, queuedBytes: 0n, problem: "connection refused" },
        }),
      ],
    });
    const { end, out, err } = await run(fake, "status");
    expect([end, err]).toEqual([
      0,
      "degraded: n1 leads in term 7; 2 of 3 voters are up, 2 are needed; at entry 100\n",
    ]);
    expect(
      out
        .split("\n")
        .slice(0, 4)
        .map((line) => line.replaceAll(/ +/g, " ").trim()),
    ).toEqual([
      "NAME ROLE STATE LAG CLIENT PEER PROBLEM",
      "n1 leader up 0 10.0.0.1:7400 10.0.0.1:7401",
      "n2 voter up 4 10.0.0.2:7400 10.0.0.2:7401",
      "n3 voter down 0 10.0.0.3:7400 10.0.0.3:7401 connection refused",
    ]);
  });

  it.each([
    ["no_leader", { leaderId: 0n, role: 3 }, /nobody leads in term 7/, 6],
    ["waiting", { role: 5, leaderId: 0n, members: [] }, /waits to be added/, 6],
    ["changing", { isJoint: true }, /the voters are being changed/, 0],
    ["degraded", { isRecovering: true }, /n1 recovers and does not vote/, 0],
    ["degraded", { members: N3_RECOVERS }, /n3 recovers and does not vote/, 0],
    ["degraded", { stateProblem: "it is wrong" }, /n1 serves nothing: it is wrong/, 0],
    ["healthy", {}, /3 of 3 voters are up, 2 are needed/, 0],
  ] as const)("tells that it is %s", async (health, changes, sentence, code) => {
    const fake = await startCluster(changes as Parameters<typeof startCluster>[0]);
    const { end, out } = await run(fake, "status -o json");
    const found = JSON.parse(out) as Record<string, unknown>;
    expect([end, found["health"]]).toEqual([code, health]);
    expect(found["sentence"]).toMatch(sentence);
  });

  // The leader answers wherever there is one, and it never recovers itself: the operator looked for a word that never came.
  it("says of a member that it recovers, in the words of the leader, and waits for it", async () => {
    const fake = await startCluster({ members: N3_RECOVERS });
    const { out } = await run(fake, "status");
    expect(out.split("\n").map((line) => line.split(/ +/)[2])).toEqual(
      expect.arrayContaining(["up", "up", "recovers"]),
    );
    const waited = await run(fake, "wait-ready --wait 300ms");
    expect([waited.end, waited.err]).toEqual([6, expect.stringContaining("n3 recovers")]);
  });

  it("asks the leader, who knows how far the others are, and says so when it does not answer", async () => {
    const fake = await startCluster({ role: 2, leaderId: 2n });
    await run(fake, "status");
    expect(fake.calls.map(([, request]) => request)).toEqual([
      { atLeader: false },
      { atLeader: true },
    ]);
    fake.onCall = () => fake.failures.set("status", "NOT_CAUGHT_UP");
    const { end, err } = await run(fake, "status");
    expect(end).toBe(0);
    expect(err).toContain("the leader does not answer (NOT_CAUGHT_UP)");
  });
});

describe("changes of the cluster", () => {
  it("name nodes by name or id, and tell who there is for a wrong name", async () => {
    const fake = await startCluster();
    expect((await run(fake, "transfer n3 -o name")).out).toBe("n3\n");
    expect((await run(fake, "transfer 2 --field leader")).out).toBe("n2\n");
    expect((await run(fake, "transfer -o name")).out).toBe("n2\n");
    expect(made(fake).map(([, request]) => request)).toEqual([
      { nodeId: 3n },
      { nodeId: 2n },
      { nodeId: 0n },
    ]);
    const wrong = await run(fake, "transfer elsewhere");
    expect([wrong.end, wrong.err]).toEqual([3, expect.stringContaining("there are n1, n2, n3")]);
  });

  it("say what a removal comes to, and remove nothing without a yes (INV-CONFIRM-1)", async () => {
    const fake = await startCluster({
      members: [member(1), member(2), member(3, { isActive: false })],
    });
    const dry = await run(fake, "remove n1 --dry-run");
    expect(dry.err).toContain("This removes n1 (voter, node 1, 10.0.0.1:7401)");
    expect(dry.err).toContain(
      "2 voters stay: n2, n3; 2 must be up, so the cluster survives the loss of 0",
    );
    expect(dry.err).toContain("it leads now");
    expect(dry.err).toContain("WARNING: only 1 of those are up");
    const unasked = await run(fake, "remove n3");
    expect([unasked.end, made(fake)]).toEqual([2, []]);
    expect((await run(fake, "remove n3 --yes")).end).toBe(0);
    expect(made(fake)).toEqual([["remove", { nodeId: 3n }]]);
  });

  // The answer to a removal was lost: that the node is no member was said by the program itself, which cannot know that it stays so.
  it("ask the leader for a node that is no member, where it is named by its id", async () => {
    const fake = await startCluster({});
    expect((await run(fake, "remove 9")).end).toBe(2);
    expect((await run(fake, "remove n9 --yes")).err).toContain("MEMBER_NOT_FOUND");
    expect(made(fake)).toEqual([]);
    await run(fake, "remove 9 --yes");
    expect(made(fake)).toEqual([["remove", { nodeId: 9n }]]);
  });

  it("add a node and give it a vote as soon as it has caught up, not before", async () => {
    const learner = member(4, { role: LEARNER, matchIndex: 20n });
    const fake = await startCluster({ members: [member(1), learner] });
    let looks = 0;
    fake.onCall = (name) => {
      if (name === "status" && ++looks === 3) learner.matchIndex = 95n;
      if (name === "promote") learner.role = VOTER;
    };
    const { end, out } = await run(fake, "add 10.0.0.4:7401 --promote -o json");
    expect(end).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ name: "n4", role: "voter", lag: "5" });
    expect(made(fake)).toEqual([
      ["add", { address: "10.0.0.4:7401" }],
      ["promote", { nodeId: 4n }],
    ]);
  });

  // A leader that is lost while the vote is given leaves open whether it was: the command ended, and the next look would have told.
  it("look again where the answer to a promotion was lost, or nobody answered in time", async () => {
    const learner = member(4, { role: LEARNER, matchIndex: 95n });
    const fake = await startCluster({ members: [member(1), learner] });
    let looks = 0;
    fake.onCall = (name) => {
      if (name === "status" && ++looks === 1) fake.failures.set("status", "DEADLINE_EXCEEDED");
      if (name === "status" && looks === 2) fake.failures.delete("status");
      if (name === "promote") learner.role = VOTER;
    };
    fake.failures.set("promote", "COMMIT_UNKNOWN");
    const { end, out } = await run(fake, "promote n4 -o json");
    expect([end, made(fake)]).toEqual([0, [["promote", { nodeId: 4n }]]]);
    expect(JSON.parse(out)).toMatchObject({ name: "n4", role: "voter" });
  });

  it("end with how far the node is when it does not catch up in time", async () => {
    const learner = member(4, { role: LEARNER, matchIndex: 20n });
    const fake = await startCluster({ members: [member(1), learner] });
    const { end, err } = await run(fake, "promote n4 --wait 300ms");
    expect([end, err]).toEqual([5, expect.stringContaining("n4 has 20 of 100 entries")]);
    expect(made(fake)).toEqual([]);
  });

  it("wait until all voters are up and close behind, and say what is missing when the time is over", async () => {
    const slow = member(3, { matchIndex: 1n });
    const fake = await startCluster({ members: [member(1), member(2), slow] });
    const late = await run(fake, "wait-ready --wait 300ms");
    expect([late.end, late.err]).toEqual([6, expect.stringContaining("n3 not caught up")]);
    const few = await run(fake, "wait-ready --wait 300ms --expect 5");
    expect(few.err).toContain("3 of 5 voters");
    setTimeout(() => {
      slow.matchIndex = 99n;
    }, 250);
    expect((await run(fake, "wait-ready --expect 3 -o name")).out).toBe("healthy\n");
  });

  // A node that opened a large state let one call wait for five seconds: that ended the wait of ten minutes, and the script with it.
  it.each(["DEADLINE_EXCEEDED", "OVERLOADED"] as const)(
    "wait on where a node is too slow for one call (%s)",
    async (code) => {
      const fake = await startCluster();
      fake.failures.set("status", code);
      setTimeout(() => fake.failures.clear(), 600);
      expect((await run(fake, "wait-ready --wait 20s -o name")).out).toBe("healthy\n");
      fake.failures.set("status", code);
      const late = await run(fake, "wait-ready --wait 300ms");
      expect([late.end, late.err]).toEqual([
        6,
        expect.stringContaining("the cluster is not ready"),
      ]);
    },
  );

  // A job that waited for readiness was stopped: what Node throws out of a pause is no error of the ledger, so it was told
  // as a bug of the server, with exit 70. The same for Ctrl-C at a question.
  it("are cancelled by a signal while they wait, and by Ctrl-C at a question", async () => {
    const fake = await startCluster({
      members: [member(1), member(2), member(3, { matchIndex: 1n })],
    });
    const abort = new AbortController();
    const line = ["cluster", "wait-ready", "--endpoint", fake.endpoint];
    const waiting = cliHere(line, { signal: abort.signal });
    setTimeout(() => abort.abort("terminated"), 500);
    const { end, err } = await waiting;
    expect([end, err]).toEqual([6, expect.stringContaining("error[CANCELLED]")]);
    const ask = async (): Promise<string> => {
      throw new DOMException("Aborted with Ctrl+C", "AbortError");
    };
    const asked = await cliHere(["cluster", "remove", "n3", "-e", fake.endpoint], { ask });
    expect([asked.end, made(fake)]).toEqual([6, []]);
    expect(asked.err).toContain("error[CANCELLED]: the command was interrupted");
  });
});
