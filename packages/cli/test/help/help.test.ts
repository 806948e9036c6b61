/** Help texts: every command has examples that the parser takes, topics are there, mistakes get a suggestion. */
import { ExitCode, suggestion } from "@authledger/types";
import { expect, it } from "vitest";
import { createProgram } from "../../src/cli.js";
import { cliVersion } from "../../src/commands/version.js";
import { optionsOf, positionOf } from "../../src/completion/position.js";
import { parseShellLine } from "../../src/completion/shell-line.js";
import { EXAMPLES } from "../../src/help/examples.js";
import { leavesOf, pathOf } from "../../src/help/texts.js";
import { exitCodeRows } from "../../src/help/topics.js";
import { CommandFrame } from "../../src/run/command.js";
import { cliHere } from "../e2e/processes.js";

const PROGRAM = createProgram(
  new CommandFrame({
    out: async () => undefined,
    outBytes: async () => undefined,
    err: () => undefined,
    input: (async function* () {})(),
    env: {},
    isErrTerminal: false,
    signal: new AbortController().signal,
  }),
  () => undefined,
);
const PATHS = leavesOf(PROGRAM).map(pathOf);

it("every command has a description and examples (help/examples.ts), and no example is of a command that is gone", () => {
  for (const command of leavesOf(PROGRAM)) {
    expect([pathOf(command), command.description() !== ""]).toEqual([pathOf(command), true]);
  }
  expect(Object.keys(EXAMPLES).sort()).toEqual([...PATHS].sort());
});

it("every example is a command line that is understood: its command, its options and its arguments", () => {
  for (const [path, lines] of Object.entries(EXAMPLES)) {
    for (const line of lines) {
      const [first = ""] = line.split(/ [|>&<]/);
      const { words, current } = parseShellLine(first, first.length);
      const all = [...words, ...(current === "" ? [] : [current])];
      const { command, positionals, pending } = positionOf(PROGRAM, all);
      expect([line, pathOf(command), pending]).toEqual([line, path, undefined]);
      const required = command.registeredArguments.filter((one) => one.required).length;
      const isVariadic = command.registeredArguments.at(-1)?.variadic === true;
      expect([line, positionals.length >= required]).toEqual([line, true]);
      const max = isVariadic ? Number.POSITIVE_INFINITY : command.registeredArguments.length;
      expect([line, positionals.length <= max]).toEqual([line, true]);
      const known = optionsOf(command).flatMap(({ long, short }) => [long, short]);
      for (const word of all.filter((one) => /^--?[a-z]/.test(one))) {
        expect([line, known.includes(word.split("=")[0])]).toEqual([line, true]);
      }
    }
  }
});

it("--version prints the version of this command and asks no node, also behind a command", async () => {
  for (const args of [["--version"], ["check", "--version"]]) {
    expect(await cliHere(args)).toMatchObject({ end: 0, out: `${cliVersion()}\n`, err: "" });
  }
});

it("help shows commands, their examples, and topics; the exit codes are those of the error table", async () => {
  expect((await cliHere(["help", "tuple", "write"])).out).toMatch(
    /Usage: authledger tuple write .*Examples:/s,
  );
  expect((await cliHere(["--help"])).out).toMatch(/Ask and write:.*Prove:.*Administer:/s);
  for (const topic of ["output", "contexts", "environment"]) {
    const { end, out } = await cliHere(["help", topic]);
    expect([end, out.length > 200]).toEqual([0, true]);
  }
  const { out } = await cliHere(["help", "exit-codes", "-o", "json"]);
  const rows = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { code: number });
  expect(rows.map(({ code }) => code)).toEqual(Object.values(ExitCode));
  expect(exitCodeRows().every(({ meaning }) => meaning !== "")).toBe(true);
});

it("a word that is not known gets the one that was meant", async () => {
  for (const [line, meant] of [
    ["chekc x", "check"],
    ["tuple wirte x", "write"],
    ["check x --exitcode", "--exit-code"],
    ["help exit-code", "exit-codes"],
    ["-o jsno version --client", "json"],
    ["--color alway version --client", "always"],
    ["cheat strat", "start"],
    ["bench --only chekc", "check"],
  ] as const) {
    const { end, err } = await cliHere(line.split(" "));
    expect([line, end]).toEqual([line, 2]);
    expect(err.toLowerCase()).toContain("did you mean");
    expect(err).toContain(meant);
  }
  expect((await cliHere(["tuple"])).err).toContain(
    '"tuple" needs one of: write, delete, erase, read',
  );
  expect(suggestion("xyz", ["check", "list"])).toBe("");
});
