/** `authledger bench`: what this node does for this client, measured in a vault of its own. */

import { type LedgerClient, MemoryRoots, type Tenant } from "@authledger/sdk";
import { suggestion } from "@authledger/types";
import type { Command } from "commander";
import { type Measurement, measure } from "../bench/measure.js";
import {
  OPERATIONS,
  type Operation,
  type OperationName,
  operationOf,
  prepare,
} from "../bench/operations.js";
import type { Thing } from "../output/printer.js";
import { formatCount } from "../output/progress.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { isConfirmed, withConfirmation } from "../run/confirm.js";
import { readNodeHttp } from "../run/node-http.js";
import { millisecondsOf, usage, wholeOf } from "../run/settings.js";

const CONCURRENCY_DEFAULT = 16;
const CONCURRENCY_MAX = 1_024;
const DURATION_DEFAULT = "3s";
const DURATION_MS_MAX = 10 * 60_000;
const DEADLINE_MS = 30_000;
const ORGANIZATION = "bench";
/** From here on a faster node would hardly show. */
const CLIENT_BOUND = 0.85;

export function addBenchCommand(program: Command, frame: CommandFrame): void {
  const bench = program
    .command("bench")
    .description("measure the node: rates and latencies of calls, in a vault made for it")
    .option("--only <operations>", `some of: ${OPERATIONS.join(",")}`)
    .option("--concurrency <n>", `calls in flight (default ${CONCURRENCY_DEFAULT})`)
    .option("--duration <time>", `of each operation (default ${DURATION_DEFAULT})`)
    .addHelpText(
      "after",
      "\nOne process measures: when it is busy itself, client_busy near 100 %, the node could do more.\n" +
        "Latencies are those of the calls in flight together, and hold the waiting in this process.",
    );
  frame.handle(withConfirmation(bench), runBench);
}

interface Plan {
  readonly operations: readonly OperationName[];
  readonly concurrency: number;
  readonly durationMs: number;
  readonly vaultName: string;
}

async function runBench(run: Run): Promise<undefined> {
  const plan = planOf(run);
  const client = await run.client({ deadlineMs: DEADLINE_MS, coalesce: false });
  const info = await client.admin.getNodeInfo(run.call);
  const where = `at ${run.settings.endpoints.join(",")} (node ${info.nodeId}, version ${info.version})`;
  const seconds = (plan.operations.length * plan.durationMs * 1.15) / 1000;
  const text =
    `bench makes the vault ${plan.vaultName} ${where} and works in it for about ${Math.ceil(seconds)} s,\n` +
    `${plan.concurrency} calls in flight; the vault stays, since vaults cannot be deleted yet`;
  if (!(await isConfirmed(run, text))) return undefined;
  const tenant = await createScratchVault(run, client, plan.vaultName);
  await run.print.many(measureAll(run, plan, tenant, info.httpAddress));
  run.say(`vault ${tenant.vault} (${plan.vaultName}) of organization ${tenant.organization} stays`);
  return undefined;
}

/** @throws LedgerError USAGE */
function planOf(run: Run): Plan {
  const only = textFlag(run, "only");
  const operations = only === undefined ? OPERATIONS : only.split(",").map(operationName);
  const concurrency = wholeOf(
    textFlag(run, "concurrency") ?? String(CONCURRENCY_DEFAULT),
    "concurrency",
  );
  if (concurrency < 1 || concurrency > CONCURRENCY_MAX) {
    throw usage(`--concurrency is from 1 to ${CONCURRENCY_MAX}`);
  }
  const durationMs = millisecondsOf(textFlag(run, "duration") ?? DURATION_DEFAULT, "duration");
  if (durationMs < 50 || durationMs > DURATION_MS_MAX)
    throw usage("--duration is from 50ms to 10m");
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  return { operations, concurrency, durationMs, vaultName: `bench-${time}` };
}

function operationName(text: string): OperationName {
  const found = OPERATIONS.find((name) => name === text.trim().replaceAll("-", "_"));
  if (found !== undefined) return found;
  throw usage(
    `--only "${text}" is not one of ${OPERATIONS.join(", ")}${suggestion(text, OPERATIONS)}`,
  );
}

/** In the organization that is set, else in one that all benches of the node share. */
async function createScratchVault(
  run: Run,
  { admin }: LedgerClient,
  name: string,
): Promise<Tenant> {
  const given = run.settings.tenant.organization;
  const organization = given ?? (await sharedOrganization(run, admin));
  const { slug } = await admin.createVault({ organization, name }, run.call);
  return { organization, vault: slug };
}

async function sharedOrganization(run: Run, admin: LedgerClient["admin"]): Promise<bigint> {
  for await (const { name, slug } of admin.listOrganizations(run.call)) {
    if (name === ORGANIZATION) return slug;
  }
  return (await admin.createOrganization(ORGANIZATION, run.call)).slug;
}

async function* measureAll(
  run: Run,
  plan: Plan,
  tenant: Tenant,
  httpAddress: string,
): AsyncGenerator<Thing, void, undefined> {
  const usual = { tenant, deadlineMs: DEADLINE_MS, coalesce: false } as const;
  const client = await run.client({ ...usual, verify: undefined });
  const verify = { trustOnFirstUse: true, pinnedRoots: new MemoryRoots() };
  const verifying = await run.client({ ...usual, verify });
  run.say("preparing 2,000 tuples ...");
  await prepare(client);
  const options = { ...plan, signal: run.io.signal };
  for (const name of plan.operations) {
    const operation = operationOf(name, client, verifying);
    if (run.io.isErrTerminal) run.say(`measuring ${name} ...`);
    const before = await nodeCpu(run, httpAddress);
    const measured = await measure(operation, options);
    const after = await nodeCpu(run, httpAddress);
    const used = before === undefined || after === undefined ? undefined : after - before;
    yield thingOf(operation, plan.concurrency, measured, used);
    if (measured.clientBusy >= CLIENT_BOUND) {
      const percent = Math.round(measured.clientBusy * 100);
      run.say(`${name}: client-bound, this process was busy ${percent} % of the time`);
    }
    if (measured.errors > 0) run.say(`${name}: ${formatCount(measured.errors)} calls failed`);
  }
}

/** CPU seconds that the node has used since its start. */
async function nodeCpu(run: Run, httpAddress: string): Promise<number | undefined> {
  const http = await readNodeHttp(httpAddress, run.settings.endpoints[0] ?? "", run.io.signal);
  return http?.metric("process_cpu_seconds_total");
}

function thingOf(
  { name, itemsPerCall }: Operation,
  concurrency: number,
  { calls, errors, seconds, latencies, clientBusy }: Measurement,
  cpuSeconds: number | undefined,
): Thing {
  const perSecond = calls / seconds;
  const ms = (value: number): number => Math.round(value * 1000) / 1000;
  return {
    name,
    fields: {
      operation: name,
      calls_per_second: Math.round(perSecond),
      items_per_second: Math.round(perSecond * itemsPerCall),
      p50_ms: ms(latencies.quantileMs(0.5)),
      p99_ms: ms(latencies.quantileMs(0.99)),
      max_ms: ms(latencies.maxMs),
      client_busy: `${Math.round(clientBusy * 100)} %`,
      client_busy_ratio: ms(clientBusy),
      node_cpu_seconds: cpuSeconds === undefined ? null : ms(cpuSeconds),
      calls,
      errors,
      items_per_call: itemsPerCall,
      concurrency,
      seconds: ms(seconds),
    },
    columns: [
      ...["operation", "calls_per_second", "items_per_second", "p50_ms", "p99_ms", "max_ms"],
      ...["errors", "client_busy"],
    ],
  };
}
