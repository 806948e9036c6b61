/**
 * `authledger audit run|status`: a process of its own that follows a vault and executes every block again.
 *
 *   INV-AUDIT-4  "Nothing contradicts", and exit 0, are said only by an audit that reached the signed head, or that was
 *                to follow until it was stopped; a contradiction ends it with its own error, whatever else fails then.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nodeCrypto } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import type { Command } from "commander";
import { type AuditHead, formatAuditHead, loadAuditHead } from "../audit/audit-head.js";
import { Auditor } from "../audit/auditor.js";
import { Contradiction } from "../audit/contradiction.js";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { saveDurably } from "../run/durable-file.js";
import { untilStopped } from "../run/live.js";
import { readText } from "../run/read-text.js";
import { usage } from "../run/settings.js";

/** How often a busy vault's progress is told. */
const TELL_MS = 1_000;

export function addAuditCommands(program: Command, frame: CommandFrame): void {
  const audit = program
    .command("audit")
    .description("check a vault block by block, trusting nobody");
  const run = audit
    .command("run")
    .description("execute every block again and keep an own trusted head; begins at --anchor")
    .requiredOption("--state <file>", "where the auditor keeps what it has verified")
    .option("--once", "stop at the newest signed block")
    .option("--evidence <file>", "where a contradiction is written (default: beside the state)");
  frame.handle(run, runAudit);
  const status = audit
    .command("status")
    .description("show what an auditor has verified")
    .requiredOption("--state <file>", "the file of the auditor");
  frame.handle(status, showStatus);
}

async function runAudit(run: Run): Promise<undefined> {
  requireTenant(run);
  const path = textFlag(run, "state")!;
  const saved = await loadAuditHead(path);
  const anchor = await anchorOf(run, saved);
  const client = await run.client({ verify: undefined });
  const { signal } = run.io;
  const auditor = new Auditor(anchor, saved, {
    ...{ client, crypto: nodeCrypto, call: run.call, nowMs: Date.now },
    sleep: (ms) => sleep(ms, undefined, { signal }).catch(() => undefined),
  });
  const begun = auditor.executed;
  run.say(`audit from block ${begun}`);
  try {
    if (run.flags["once"] === true) await catchUp(run, auditor, path);
    else await untilStopped(run, () => follow(run, auditor, path));
  } catch (error) {
    if (error instanceof Contradiction) await keepEvidence(run, error, { path, anchor });
    throw error;
  }
  const head = await loadAuditHead(path);
  const count = auditor.executed - begun;
  run.say(`${count} block${count === 1 ? "" : "s"} executed, nothing contradicts`);
  if (head !== undefined) await run.print.one(thingOf(head));
  return undefined;
}

/** The anchor is given, or the one with which the auditor began; never asked of the node. */
async function anchorOf({ settings }: Run, saved: AuditHead | undefined): Promise<string> {
  if (settings.anchorFile !== undefined) return readText(settings.anchorFile);
  if (saved !== undefined) return saved.anchor;
  throw usage(
    "an audit begins at an anchor: give --anchor FILE (`authledger vault anchor` prints it)",
  );
}

async function catchUp(run: Run, auditor: Auditor, path: string): Promise<void> {
  for await (const state of auditor.catchUp()) {
    await saveDurably(path, formatAuditHead(state));
    const { size } = state.position;
    if (size < auditor.headSize) run.say(`block ${size} of ${auditor.headSize}`);
  }
}

/** Tells of what a later question may cure: the audit only reads, and may ask again. @throws everything else */
function tolerate(run: Run, thrown: unknown): void {
  const error = LedgerError.from(thrown);
  const { code, row } = error;
  const isOfTime = code === "DEADLINE_EXCEEDED" || code === "CANCELLED";
  const isPassing = isOfTime || row.grpc === "UNAVAILABLE" || row.retry === "safe";
  if (run.io.signal.aborted || !isPassing) throw thrown;
  tellAway(run, error);
}

function tellAway(run: Run, { message }: LedgerError): void {
  run.say(`the node is away: ${message}`);
}

/**
 * Each message of a watch, heartbeats among them, is the occasion to look at the signed head. A node that does not
 * answer then is asked at the next one; only the first question, before anything was executed, must be answered.
 */
async function follow(run: Run, auditor: Auditor, path: string): Promise<void> {
  const begun = auditor.executed;
  await catchUp(run, auditor, path).catch((thrown: unknown) => {
    if (auditor.executed === begun) throw thrown;
    tolerate(run, thrown);
  });
  const { signal, requestId } = run.call;
  const client = await run.client({ verify: undefined });
  const onInterrupted = (error: LedgerError): void => tellAway(run, error);
  let told = "";
  let toldAtMs = 0;
  for await (const event of client.watchBlocks({ signal, requestId, onInterrupted })) {
    if (event.kind !== "progress") continue;
    await catchUp(run, auditor, path).catch((thrown: unknown) => tolerate(run, thrown));
    const behind = Math.max(0, Number(event.tipHeight) + 1 - auditor.executed);
    const now = `${auditor.executed} blocks executed, ${behind} behind`;
    if (now === told || performance.now() - toldAtMs < TELL_MS) continue;
    run.say(now);
    told = now;
    toldAtMs = performance.now();
  }
}

/** Where no file can be written it goes to standard error: nothing else shows it to others. */
async function keepEvidence(
  run: Run,
  found: Contradiction,
  { path, anchor }: { readonly path: string; readonly anchor: string },
): Promise<void> {
  const atMs = Date.now();
  const file = textFlag(run, "evidence") ?? `${path}.evidence-${atMs}.json`;
  const { origin } = JSON.parse(anchor) as { origin: string };
  const evidence = found.format({ origin, anchor, atMs });
  try {
    await saveDurably(file, evidence);
    run.io.err(`evidence: ${file}\n`);
  } catch (thrown) {
    const { message } = LedgerError.from(thrown);
    const line = JSON.stringify(JSON.parse(evidence));
    run.io.err(`${found.message}; the evidence is here, since it ${message}:\n${line}\n`);
  }
}

async function showStatus(run: Run): Promise<undefined> {
  const path = textFlag(run, "state")!;
  const head = await loadAuditHead(path);
  if (head === undefined) {
    throw new LedgerError("IO_READ_FAILED", `no audit has saved its head in ${path}`, {
      details: { path },
    });
  }
  await run.print.one(thingOf(head));
  return undefined;
}

function thingOf({ origin, position, head, savedAtMs }: AuditHead): Thing {
  const fields = {
    origin,
    blocks_executed: BigInt(position.size),
    head_size: head.size,
    head_root: head.root,
    saved_at: timeText(savedAtMs) ?? null,
    saved_at_ms: BigInt(savedAtMs),
    note: head.note,
  };
  const columns = ["origin", "blocks_executed", "head_size", "head_root", "saved_at"];
  return { name: `${origin}@${position.size}`, fields, columns };
}
