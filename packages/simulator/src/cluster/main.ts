/** Runs seeds of whole nodes: `node packages/simulator/dist/cluster/main.js --seeds N [--from S] [--trace]`. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { formatHistory } from "../history/record.js";
import { drawSettings } from "./cluster-settings.js";
import { runCluster } from "./run-cluster.js";
import { Sometimes } from "./sometimes.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10" },
    from: { type: "string", default: "1" },
    calm: { type: "boolean", default: false },
    voters: { type: "string" },
    machines: { type: "string" },
    "storm-ms": { type: "string" },
    trace: { type: "boolean", default: false },
    "keep-log": { type: "boolean", default: false },
    history: { type: "string" },
  },
});
process.on("unhandledRejection", (error) => {
  process.stderr.write(`unhandled rejection: ${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
});
const sometimes = new Sometimes();
const from = Number(values.from);
let failed = 0;
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  const settings = drawSettings(seed, {
    calm: values.calm,
    keepLog: values["keep-log"],
    voters: values.voters === undefined ? undefined : Number(values.voters),
    machines: values.machines === undefined ? undefined : Number(values.machines),
    stormMs: values["storm-ms"] === undefined ? undefined : Number(values["storm-ms"]),
  });
  const start = performance.now();
  const print = values.trace ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
  const report = await runCluster(settings, { print });
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const state = report.failure === undefined ? "ok" : "FAILED";
  const faults = [...report.faults].filter(([, n]) => n > 0).map(([kind, n]) => `${kind} ${n}`);
  process.stdout.write(
    `seed ${seed} ${state} hash ${report.hash} voters ${settings.voters}/${settings.machines} ${(report.virtualMs / 1000).toFixed(1)} s virtual in ${seconds} s, ${report.events} events, ${report.history.operations.length} operations, ${faults.join(", ")}\n`,
  );
  if (values.history !== undefined) writeFileSync(values.history, formatHistory(report.history));
  sometimes.addAll(report.sometimes);
  if (report.failure === undefined) continue;
  failed++;
  if (!values.trace) process.stdout.write(`${report.failure.newest.join("\n")}\n`);
  process.stdout.write(`${report.failure.what}\n`);
}
for (const [what, times] of sometimes.counts()) process.stdout.write(`${times}\t${what}\n`);
process.exitCode = failed > 0 ? 1 : 0;
