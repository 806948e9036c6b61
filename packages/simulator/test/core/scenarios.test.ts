/** Directed scenarios: transcripts of the bugs that Raft implementations had, and of what this core does instead. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as module from "@authledger/raft";
import { describe, expect, it } from "vitest";
import { exhibits } from "../../src/core/museum-table.js";
import { loadCore } from "../../src/core/mutant.js";
import { tell } from "../../src/core/scenario.js";

const folder = fileURLToPath(new URL("./scenarios/", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));
const read = (name: string): string => readFileSync(`${folder}${name}`, "utf8");

describe("the scenarios", () => {
  it.each(names)("%s: the core does what the transcript says, and breaks no rule", (name) => {
    const { transcript, violation } = tell(read(name), module);
    expect(violation?.message).toBeUndefined();
    if (process.env["UPDATE"] !== undefined) writeFileSync(`${folder}${name}`, transcript);
    expect(transcript).toBe(read(name));
  });

  it.each([
    ["4", "figure-8.txt"],
    ["5", "ackuracy.txt"],
    ["6", "follower-overcommit.txt"],
    ["8", "early-append.txt"],
    ["16", "lease-late-answer.txt"],
    ["16b", "lease-transfer.txt"],
    ["30", "stale-timeout-now.txt"],
  ])("show mutant %s to be one: %s", async (number, name) => {
    const exhibit = exhibits.find((one) => one.number === number)!;
    const mutant = await loadCore(exhibit.patches);
    expect(tell(read(name), mutant).transcript).not.toBe(read(name));
  });
});
