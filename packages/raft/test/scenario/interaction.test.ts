/**
 * etcd/raft's interactions: what the nodes have (`raft-log`, `raft-state`, `status`) and which errors they answer with,
 * after the same commands; and, step by step, what they store, send, acknowledge and apply, in this order. Only the
 * lines that etcd logs are left out.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Interaction } from "./interaction.js";
import { type Directive, parseScript, scenarioFiles, scenarioFolder } from "./script.js";

const folder = scenarioFolder("testdata");

/** What etcd offers and this core does not: a leader that is forgotten, changes that are not validated. */
const NOT_OFFERED = /^(forget_leader|confchange_disable_validation)/;

describe.runIf(folder !== undefined)("the interactions of etcd/raft", () => {
  for (const file of folder === undefined ? [] : scenarioFiles(folder)) {
    test.skipIf(NOT_OFFERED.test(file))(file, () => {
      const interaction = new Interaction();
      for (const directive of parseScript(join(folder!, file))) {
        const actual = clean(interaction.run(directive));
        expect(actual, title(file, directive)).toBe(clean(directive.expected));
      }
    });
  }
});

function title(file: string, { line, command, words }: Directive): string {
  return `${file}:${line}: ${[command, ...words].join(" ")}`;
}

/** Without what etcd logs, and without the word for no output. */
function clean(output: string): string {
  const lines = output.split("\n").map((line) => line.trimEnd());
  const kept = lines.filter((line) => !/^\s*(INFO|DEBUG|WARN|ERROR) /.test(line) && line !== "ok");
  return kept.join("\n").trimEnd();
}
