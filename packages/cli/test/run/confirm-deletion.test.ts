/** Who is asked before something is destroyed, and what counts as a yes. */
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { isDeletionConfirmed } from "../../src/run/confirm-deletion.js";
import type { Run } from "../../src/run/run.js";

const PLAN = { what: 'vault 9 "main"', name: "main", lines: ["its 3 blocks"] };

function runWith(
  flags: Run["flags"],
  answer?: string,
): { readonly run: Run; readonly said: string[]; readonly asked: string[] } {
  const [said, asked]: [string[], string[]] = [[], []];
  const ask = async (question: string): Promise<string> => {
    asked.push(question);
    return answer ?? "";
  };
  const io = {
    err: (text: string) => said.push(text),
    ask: answer === undefined ? undefined : ask,
  };
  const run = { flags, io, say: (text: string) => said.push(text) } as unknown as Run;
  return { run, said, asked };
}

describe("a deletion", () => {
  it("goes on when the name is typed, and shows what goes before it asks", async () => {
    const { run, said, asked } = runWith({}, " main ");
    expect(await isDeletionConfirmed(run, PLAN)).toBe(true);
    expect(said.join("")).toContain("its 3 blocks");
    expect(asked).toEqual(["Type main to delete it: "]);
  });

  it("ends without a deletion for any other answer", async () => {
    for (const answer of ["", "y", "yes", "Main", "other"]) {
      const refused = await rejectedBy(isDeletionConfirmed(runWith({}, answer).run, PLAN));
      expect([refused.code, refused.message]).toEqual([
        "USAGE",
        expect.stringContaining("nothing was deleted"),
      ]);
    }
  });

  it("asks nobody with --yes, and deletes nothing with --dry-run even then", async () => {
    const yes = runWith({ yes: true }, "no");
    expect([await isDeletionConfirmed(yes.run, PLAN), yes.asked]).toEqual([true, []]);
    const dry = runWith({ yes: true, dryRun: true }, "main");
    expect([await isDeletionConfirmed(dry.run, PLAN), dry.asked]).toEqual([false, []]);
  });

  it("is refused where nobody can be asked and nobody has said yes", async () => {
    const refused = await rejectedBy(isDeletionConfirmed(runWith({}).run, PLAN));
    expect(refused.message).toContain("give --yes");
  });
});
