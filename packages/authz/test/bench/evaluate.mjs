/**
 * Checks, lists and explanations a second over tuples in memory: the evaluator's own share of a decision.
 *
 *   npx tsc -b packages/authz && node packages/authz/test/bench/evaluate.mjs [tuples]
 */
import process from "node:process";
import {
  check,
  compileModel,
  explain,
  listObjects,
  listUsers,
  MapTupleReader,
} from "@authledger/authz";
import { parseOpenFga } from "@authledger/authz/language";
import { benchWorld } from "./worlds.mjs";

const MS = 400;

const size = Number(process.argv[2] ?? 100_000);
const { model, tuples, questions, lists } = benchWorld(size);
const world = { model: compileModel(parseOpenFga(model)), tuples: new MapTupleReader(tuples) };

/** Runs for a while after warming up; prints processor time for each and what it reads. */
function measure(name, run) {
  const until = (ms) => {
    const cpu = process.cpuUsage();
    let runs = 0;
    for (;;) {
      for (let i = 0; i < 50; i++) run();
      runs += 50;
      const { user, system } = process.cpuUsage(cpu);
      if ((user + system) / 1000 >= ms) return (user + system) / runs;
    }
  };
  until(MS / 4);
  process.stdout.write(`${name}: ${until(MS).toFixed(2)} us, ${run().cost} reads\n`);
}

process.stdout.write(`${size} tuples in memory\n`);
for (const { name, question, allowed } of questions) {
  const answer = check(world, question);
  if (answer.allowed !== allowed) throw new Error(`${name}: ${answer.allowed}`);
  measure(name, () => check(world, question));
}
for (const { name, question, count } of lists) {
  const all = listObjects(world, { ...question, limit: count + 1 });
  if (all.objects.length !== count || !all.complete) throw new Error(`${name}: not ${count}`);
  measure(name, () => listObjects(world, question));
}
const big = { object: "document:big", relation: "viewer", filters: ["user"], limit: 100 };
measure("first page of 10,000 users", () => listUsers(world, big));
const [, denied] = questions.filter(({ name }) => name.startsWith("6 groups"));
measure("explain 6 groups deep, denied", () => explain(world, denied.question));
