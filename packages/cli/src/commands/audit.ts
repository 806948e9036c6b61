/** `authledger audit run|status`: a process of its own that follows a vault and executes every block again. */
import { nodeCrypto } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import type { Command } from "commander";
import { type AuditHead, formatAuditHead, loadAuditHead } from "../audit/audit-head.js";
import { Auditor } from "../audit/auditor.js";
import { Contradiction } from "../audit/contradiction.js";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { saveDurably } from "../run/durable-file.js";
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
  const deps = { client, crypto: nodeCrypto, call: run.call, nowMs: Date.now };
  const auditor = new Auditor(anchor, saved, deps);
  const begun = auditor.executed;
  run.say(`audit from block ${begun}`);
  try {
    if (run.flags["once"] === true) await catchUp(run, auditor, path);
    else await follow(run, auditor, path);
  } catch (error) {
    if (error instanceof Contradiction) await keepEvidence(run, error, { path, anchor });
    if (!run.io.signal.aborted) throw error;
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

/** Each message of a watch, heartbeats among them, is the occasion to look at the signed head. */
async function follow(run: Run, auditor: Auditor, path: string): Promise<void> {
  await catchUp(run, auditor, path);
  const { signal, requestId } = run.call;
  const client = await run.client({ verify: undefined });
  const onInterrupted = (error: LedgerError): void => run.say(`the node is away: ${error.message}`);
  let told = "";
  let toldAtMs = 0;
  for await (const event of client.watchBlocks({ signal, requestId, onInterrupted })) {
    if (event.kind !== "progress") continue;
    await catchUp(run, auditor, path);
    const behind = Math.max(0, Number(event.tipHeight) + 1 - auditor.executed);
    const now = `${auditor.executed} blocks executed, ${behind} behind`;
    if (now === told || performance.now() - toldAtMs < TELL_MS) continue;
    run.say(now);
    told = now;
    toldAtMs = performance.now();
  }
}

async function keepEvidence(
  run: Run,
  found: Contradiction,
  { path, anchor }: { readonly path: string; readonly anchor: string },
): Promise<void> {
  const atMs = Date.now();
  const file = textFlag(run, "evidence") ?? `${path}.evidence-${atMs}.json`;
  const { origin } = JSON.parse(anchor) as { origin: string };
  await saveDurably(file, found.format({ origin, anchor, atMs }));
  run.io.err(`evidence: ${file}\n`);
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
