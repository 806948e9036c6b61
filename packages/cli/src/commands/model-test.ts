/** `authledger model test FILE...`: tries models against their own expectations, without a node. */
import { writeFile } from "node:fs/promises";
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import { explanationLines, shownEvaluation } from "../output/explanation.js";
import type { CommandFrame, Run } from "../run/command.js";
import { textFlag } from "../run/command.js";
import { usage } from "../run/settings.js";
import { junitOf } from "../stores/junit.js";
import { readStore } from "../stores/read-store.js";
import { runStoreTests, type TestResult } from "../stores/run-tests.js";

export function addModelTestCommand(model: Command, frame: CommandFrame): void {
  const test = model
    .command("test")
    .argument("<stores...>", "OpenFGA's store.fga.yaml, SpiceDB's validation files")
    .description("try models against their own expectations; needs no node")
    .option("--junit <file>", "also write the results as JUnit's XML");
  frame.handle(test, testStores);
}

async function testStores(run: Run, ...paths: string[]): Promise<number> {
  if (paths.length === 0) throw usage("give at least one store");
  const results: TestResult[] = [];
  for (const path of paths) results.push(...runStoreTests(await readStore(path)));
  const junit = textFlag(run, "junit");
  if (junit !== undefined) await writeFile(junit, junitOf(results));
  const failed = results.filter(({ passed }) => !passed);
  const isForPeople = run.settings.format === "table" && run.settings.field === undefined;
  // Who reads wants to know what failed; who processes wants all of it.
  await run.print.many((isForPeople ? failed : results).map(thingOf));
  for (const { question, explanation } of isForPeople ? failed : []) {
    if (explanation === undefined) continue;
    run.say(`\n${question}`);
    for (const line of explanationLines(shownEvaluation(explanation))) run.say(`  ${line}`);
  }
  run.say(`${results.length - failed.length} passed, ${failed.length} failed`);
  return failed.length === 0 ? ExitCode.OK : ExitCode.CONFLICT;
}

function thingOf({ store, test, kind, question, passed, expected, got, ms }: TestResult) {
  return {
    name: question,
    fields: { passed, store, test, kind, question, expected, got, ms },
    columns: ["test", "question", "expected", "got"],
  };
}
