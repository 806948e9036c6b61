/** What `scrub` makes of what a node tells, where the node does not end the pass that it began. */
import { admin } from "@authledger/proto";
import { describe, expect, it } from "vitest";
import { fakeLedger } from "../../../sdk/test/support/fake-ledger.js";
import { cliHere, type Ended } from "../e2e/processes.js";

type Report = Partial<admin.CheckIntegrityResponse>;

const DAMAGE = admin.IntegrityDifference.create({ text: "row 7", what: "another row" });
/** As a node tells of a pass that runs, and of one that it has ended. */
const running = (startedAtMs: bigint): Report => ({ running: true, startedAtMs });
const ended = (startedAtMs: bigint, passes = 1n): Report => ({
  startedAtMs,
  endedAtMs: 9n,
  passes,
});

/** A node that answers these in order, the last of them for ever. */
async function scrubbed(
  reports: readonly Report[],
  ...args: string[]
): Promise<Ended & { readonly asked: readonly admin.CheckIntegrityRequest[] }> {
  const asked: admin.CheckIntegrityRequest[] = [];
  const { endpoint } = await fakeLedger({
    admin: {
      checkIntegrity: (request) => {
        asked.push(request);
        const report = reports[Math.min(asked.length, reports.length) - 1];
        return admin.CheckIntegrityResponse.create(report ?? {});
      },
    },
  });
  const done = await cliHere(["scrub", "-e", endpoint, "-o", "name", ...args]);
  return { ...done, asked };
}

describe("scrub (INV-SCRUBRUN-1)", () => {
  it("begins one pass and tells how that one ended", async () => {
    const { end, out, asked } = await scrubbed([running(5n), running(5n), ended(5n)]);
    expect([end, out]).toEqual([0, "ok\n"]);
    expect(asked.map(({ follow }) => follow)).toEqual([false, true, true]);
    const damaged = await scrubbed([running(5n), { ...ended(5n), differences: [DAMAGE] }]);
    expect([damaged.end, damaged.out, damaged.err]).toEqual([8, "damaged\n", "damaged: row 7\n"]);
    expect((await scrubbed([ended(5n)])).out).toBe("ok\n");
  });

  // The node was killed while it scrubbed. Started again, it answered the poll: nothing runs, no pass, no difference.
  // The command took that for the end of its pass, and said "ok" of what nobody had looked at.
  it.each([
    ["a node that was started again", { startedAtMs: 0n, passes: 0n }],
    ["one that has begun another since", running(7n)],
    ["one that tells of an older one, as its state was replaced", ended(3n)],
  ])("is not ok by %s", async (_, next) => {
    const { end, out, err } = await scrubbed([running(5n), next]);
    expect([end, out]).toEqual([6, ""]);
    expect(err).toContain("nobody knows how the pass ended");
  });

  it("is not ok when the pass is gone at once", async () => {
    expect((await scrubbed([{ passes: 0n }])).end).toBe(6);
  });

  // What a pass had found before the node was started again was forgotten with it: exit 0 instead of 8.
  it("tells the damage that was seen before the pass was lost", async () => {
    const seen = { ...running(5n), differences: [DAMAGE] };
    const { end, err } = await scrubbed([running(5n), seen, { startedAtMs: 0n }]);
    expect([end, err]).toEqual([8, expect.stringContaining("damaged: row 7\n")]);
  });

  it("--last says that no pass has ended yet, rather than ok", async () => {
    expect(await scrubbed([{}], "--last")).toMatchObject({ end: 0, out: "none\n" });
    expect(await scrubbed([running(5n)], "--last")).toMatchObject({ end: 0, out: "running\n" });
    expect(await scrubbed([ended(5n)], "--last")).toMatchObject({ end: 0, out: "ok\n" });
  });

  // The first of three nodes was away: the pass of the second was told as if it were that of the first.
  it("asks no other endpoint than the first", async () => {
    const { endpoint } = await fakeLedger({
      admin: { checkIntegrity: () => admin.CheckIntegrityResponse.create(ended(5n)) },
    });
    const { end, err } = await cliHere(["scrub", "-e", `127.0.0.1:1,${endpoint}`]);
    expect([end, err]).toEqual([6, expect.stringContaining("cannot reach any of 1 endpoint")]);
  });
});
