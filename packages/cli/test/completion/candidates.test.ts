/** What is offered at every place of a command line. */
import { expect, it } from "vitest";
import { createProgram } from "../../src/cli.js";
import { candidatesFor } from "../../src/completion/candidates.js";
import type { CompletionSources } from "../../src/completion/completion-sources.js";
import { positionOf } from "../../src/completion/position.js";
import { afterBreaks, parseShellLine } from "../../src/completion/shell-line.js";
import { CommandFrame } from "../../src/run/command.js";

const SOURCES: CompletionSources = {
  contexts: async () => [{ value: "dev" }, { value: "prod" }],
  organizations: async () => [
    { value: "71", description: "acme" },
    { value: "72", description: "Zoo" },
  ],
  vaults: async () => [{ value: "91", description: "main" }],
  principals: async () => [
    { value: "key:a1b2", description: "billing" },
    { value: "user:ann", description: "writer" },
    { value: "group:ops", description: "reader" },
    { value: "user:`x`" },
  ],
  keys: async () => [{ value: "a1b2", description: "billing" }],
  tiers: async () => [{ value: "gold" }, { value: "silver" }],
  members: async () => [{ value: "n1", description: "leader 10.0.0.1:7401" }, { value: "n2" }],
  seen: async () => ({
    tuples: [
      { resource: "doc:readme", relation: "viewer", subject: "user:alice" },
      { resource: "doc:readme", relation: "owner", subject: "user:bob" },
      { resource: "file:etc", relation: "reader", subject: "group:root#member" },
      { resource: "doc:$(reboot)", relation: "viewer", subject: "user:`x`" },
      { resource: "doc:a'b", relation: "viewer", subject: "user:*" },
    ],
  }),
};

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

async function offered(line: string): Promise<string[]> {
  const { words, current } = parseShellLine(line, line.length);
  const { list, paths } = await candidatesFor(positionOf(PROGRAM, words), current, SOURCES);
  return [...list.map(({ value }) => value), ...(paths === undefined ? [] : [`<${paths}>`])];
}

it("is what fits there", async () => {
  for (const [line, expected] of [
    ["authledger cluster transfer ", ["n1", "n2"]],
    ["authledger cluster remove n2", ["n2"]],
    ["authledger che", ["check", "cheat"]],
    ["authledger tuple ", ["write", "delete", "erase", "read", "watch", "changes"]],
    ["authledger --org 7 tuple w", ["write", "watch"]],
    ["authledger -o ", ["table", "wide", "json", "yaml", "name"]],
    ["authledger check x --output=j", ["--output=json"]],
    ["authledger check --exit", ["--exit-code"]],
    ["authledger check --exit-code --exit", []],
    ["authledger check doc", ["doc:"]],
    ["authledger check doc:", ["doc:readme#"]],
    ["authledger check 'doc:rea", ["doc:readme#"]],
    ["authledger check doc:readme#", ["doc:readme#viewer@", "doc:readme#owner@"]],
    ["authledger check doc:new#v", ["doc:new#viewer@"]],
    ["authledger check doc:readme#owner@", ["doc:readme#owner@user:bob"]],
    ["authledger tuple write a:b#c@d:e file:etc#reader@g", ["file:etc#reader@group:root#member"]],
    ["authledger list --relation ", ["viewer", "owner", "reader"]],
    ["authledger list --subject user:", ["user:alice", "user:bob"]],
    ["authledger list --resource=f", ["--resource=file:"]],
    ["authledger --org ", ["71", "72"]],
    ["authledger --org zo", ["72"]],
    ["authledger --vault=m", ["--vault=91"]],
    ["authledger --context p", ["prod"]],
    ["authledger context use ", ["dev", "prod"]],
    ["authledger org get a", ["71"]],
    ["authledger role grant ", ["key:a1b2", "user:ann", "group:ops"]],
    ["authledger role grant user:", ["user:ann"]],
    [
      "authledger role grant user:ann ",
      ["reader", "writer", "manager", "administrator", "operator", "member"],
    ],
    ["authledger role revoke user:ann wr", ["writer"]],
    ["authledger role list g", ["group:ops"]],
    [
      "authledger role grant user:ann reader --on ",
      ["vault", "organization", "cluster", "group:ops"],
    ],
    ["authledger role grant user:ann reader --on org", ["organization"]],
    ["authledger role grant user:ann reader --org ", ["71", "72"]],
    ["authledger key revoke ", ["a1b2"]],
    ["authledger quota set --tier ", ["gold", "silver"]],
    ["authledger quota set --in-tier=g", ["--in-tier=gold"]],
    ["authledger quota get --tier s", ["silver"]],
    ["authledger completion ", ["bash", "zsh", "fish", "powershell"]],
    ["authledger help exi", ["exit-codes"]],
    ["authledger help tuple r", ["read"]],
    ["authledger proof verify ", ["<files>"]],
    ["authledger start --data ", ["<directories>"]],
    ["authledger check -- --x", []],
    ["authledger nonsense wr", []],
  ] as const) {
    expect([line, await offered(line)]).toEqual([line, expected]);
  }
});

it("never holds what a shell could obey, and no hidden command (INV-COMPLETE-1)", async () => {
  const lines = ["check doc:", "check ", "list --subject user:", "list --resource doc:", "", "__"];
  for (const line of lines) {
    for (const value of await offered(`authledger ${line}`)) {
      expect(value).toMatch(/^[A-Za-z0-9_.:/#@%+=,-]+$/);
      expect(value).not.toMatch(/^__/);
    }
  }
});

it("a line is cut as a shell cuts it, up to the cursor", () => {
  for (const [line, words, current, isQuoted] of [
    ["authledger ", [], "", false],
    ["authledger check  'a b' c", ["check", "a b"], "c", false],
    ["authledger check 'a b", ["check"], "a b", true],
    ['authledger check "a\\"b', ["check"], 'a"b', true],
    ["authledger a\\ b '' x", ["a b", ""], "x", false],
  ] as const) {
    expect(parseShellLine(line, line.length)).toEqual({ words, current, isQuoted });
  }
  expect(parseShellLine("authledger check xyz", 18)).toMatchObject({ current: "x" });
});

it("bash is given what follows its last word break", () => {
  const breaks = " \t\n\"'><=;|&(:";
  expect(afterBreaks("doc:readme#", "doc:re", breaks)).toBe("readme#");
  expect(afterBreaks("--org=72", "--org=7", breaks)).toBe("72");
  // Readline keeps this one break in the word (rl_special_prefixes).
  expect(afterBreaks("a:b#c@user:x", "a:b#c@", `${breaks}@`)).toBe("@user:x");
  expect(afterBreaks("check", "ch", breaks)).toBe("check");
  expect(afterBreaks("doc:readme#viewer@user:alice", "doc:readme#viewer@user:", breaks)).toBe(
    "alice",
  );
});
