/** `authledger tuple write|delete|erase|read` and `authledger list`. */
import {
  createTuple,
  deleteTuple,
  type Relationship,
  tupleMustExist,
  tupleMustNotExist,
  type WriteAnswer,
  type WriteOperation,
} from "@authledger/sdk";
import { formatTuple, LedgerError, parseTuple } from "@authledger/types";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { withConfirmation } from "../run/confirm.js";
import { isDeletionConfirmed } from "../run/confirm-deletion.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { conditionOf } from "../run/context-values.js";
import { expiryOf } from "../run/expiry.js";
import { usage, wholeOf } from "../run/settings.js";
import { watchable } from "../run/watch.js";
import { deleteMatching } from "./delete-by-filter.js";

export function addTupleCommands(program: Command, frame: CommandFrame): void {
  const tuple = program.command("tuple").description("single tuples: resource#relation@subject");
  const write = tuple
    .command("write")
    .argument("<tuples...>")
    .description("store tuples, all of them or none")
    .option("--expires <time>", "RFC 3339 time, or milliseconds since 1970")
    .option("--condition <name>", "the tuples count only where this condition of the model holds")
    .option("--with <key=value...>", "what the tuples say of the condition's parameters")
    .option("--must-exist <tuples...>", "write nothing unless all of these are stored")
    .option("--must-not-exist <tuples...>", "write nothing if one of these is stored")
    .option("--reason <text>", "why, for the record")
    .option("--idempotency-key <key>", "the same key with the same content is applied once");
  frame.handle(write, async (run, ...tuples) => {
    const expiresAtMs = expiryOf(textFlag(run, "expires"));
    const condition = conditionOf(run);
    return change(
      run,
      tuples,
      tuples.map((text) => createTuple(text, { expiresAtMs, condition })),
      preconditions(run),
    );
  });
  const remove = tuple
    .command("delete")
    .argument("[tuples...]")
    .description("remove tuples, all of them or none; those that are not there are no error")
    .option("--filter <part=value,...>", "what matches: resource, resource-type, relation, ...")
    .option("--all", "with an empty --filter: every tuple of the vault")
    .option("--reason <text>", "why, for the record")
    .option("--idempotency-key <key>", "the same key with the same content is applied once");
  frame.handle(withConfirmation(remove), async (run, ...tuples) => {
    const filter = textFlag(run, "filter");
    if ((filter === undefined) === (tuples.length === 0)) {
      throw usage("give tuples or --filter, one of them");
    }
    if (filter !== undefined) return deleteMatching(run, filter);
    if (run.flags["dryRun"] === true) {
      run.say(`dry run: ${tuples.length} tuples would be removed where they are stored`);
      return undefined;
    }
    const operations = tuples.map((text) => deleteTuple(text));
    return change(run, tuples, operations);
  });
  const erase = tuple
    .command("erase")
    .argument("<tuple>")
    .description("delete a tuple, and erase what its condition said of parameters in every version")
    .option("--keep-current", "leave what is stored now, and erase earlier conditions only")
    .option("--reason <text>", "why, for the record; do not name the person in it");
  frame.handle(withConfirmation(erase), eraseCondition);
  const read = tuple
    .command("read")
    .argument("<tuple>")
    .description("show a stored tuple with version and expiry");
  frame.handle(withConsistency(read), readTuple);
}

export function addListCommand(program: Command, frame: CommandFrame): void {
  const list = program
    .command("list")
    .description("list tuples by any combination of resource, relation and subject")
    .option("--resource <type:id>")
    .option("--relation <name>")
    .option("--subject <type:id>")
    .option("--limit <rows>", "stop after so many rows");
  frame.handle(watchable(withConsistency(list)), async (run) => {
    requireTenant(run);
    const count = await run.print.many(rows(run));
    if (count === 0) run.say("no such tuples");
    return undefined;
  });
}

async function* rows(run: Run): AsyncGenerator<Thing, void, undefined> {
  const limitText = textFlag(run, "limit");
  const limit = limitText === undefined ? Number.POSITIVE_INFINITY : wholeOf(limitText, "limit");
  if (limit === 0) return;
  const filter = {
    ...named(run, "resource"),
    ...named(run, "relation"),
    ...named(run, "subject"),
  };
  const consistency = consistencyOf(run);
  const client = await run.client();
  let count = 0;
  let last: VerifiedList | undefined;
  // A page is no longer than what is wanted: verified lists are proven page by page.
  const pageSize = Math.min(limit, 1_000);
  const options = { ...run.call, consistency, pageSize };
  for await (const { relationships, height, verified } of client.list(filter, options).pages()) {
    for (const row of relationships) {
      if (count === limit) return sayVerified(run, verified && { height, count, isAll: false });
      yield thingOf(row);
      count += 1;
    }
    last = verified && { height, count, isAll: true };
  }
  sayVerified(run, last);
}

interface VerifiedList {
  readonly height: bigint;
  readonly count: number;
  readonly isAll: boolean;
}

/** A proof of a list says what is in it and that nothing else is. */
function sayVerified(run: Run, list: VerifiedList | undefined): void {
  if (list === undefined) return;
  const { height, count, isAll } = list;
  const rows = `${count} row${count === 1 ? "" : "s"}`;
  run.say(`verified: ${isAll ? "complete with" : "the first"} ${rows}, as of block ${height}`);
}

function named(run: Run, name: string): Record<string, string> {
  const value = textFlag(run, name);
  return value === undefined ? {} : { [name]: value };
}

async function readTuple(run: Run, text = ""): Promise<undefined> {
  requireTenant(run);
  const tuple = parseTuple(text);
  const consistency = consistencyOf(run);
  const client = await run.client();
  const [found] = await client.list(tuple, { ...run.call, consistency }).collect(1);
  if (found !== undefined) return void (await run.print.one(thingOf(found)));
  throw new LedgerError("TUPLE_NOT_FOUND", `"${text}" is not stored`, { details: { tuple: text } });
}

async function eraseCondition(run: Run, text = ""): Promise<undefined> {
  requireTenant(run);
  const tuple = parseTuple(text);
  const keepCurrent = run.flags["keepCurrent"] === true;
  const plan = {
    what: keepCurrent
      ? `earlier conditions of ${text}`
      : `${text} and its condition in every version`,
    name: text,
    lines: ["digests stay, so proofs stay valid", "the tuple itself stays in the history"],
  };
  if (!(await isDeletionConfirmed(run, plan))) return undefined;
  const client = await run.client();
  const options = { ...run.call, keepCurrent, reason: textFlag(run, "reason") };
  const { erased, deleted, token } = await client.erase({ tuple }, options);
  await run.print.one({ name: text, fields: { tuple: text, erased, deleted, token } });
  return undefined;
}

function preconditions({ flags }: Run): WriteOperation[] {
  const { mustExist, mustNotExist } = flags;
  const listed = (tuples: typeof mustExist): readonly string[] =>
    Array.isArray(tuples) ? tuples : [];
  return [
    ...listed(mustExist).map((text) => tupleMustExist(text)),
    ...listed(mustNotExist).map((text) => tupleMustNotExist(text)),
  ];
}

async function change(
  run: Run,
  tuples: readonly string[],
  changes: readonly WriteOperation[],
  conditions: readonly WriteOperation[] = [],
): Promise<undefined> {
  // Operations run in order, so conditions are about what was there before.
  const operations = [...conditions, ...changes];
  requireTenant(run);
  const client = await run.client();
  const reason = textFlag(run, "reason");
  const idempotencyKey = textFlag(run, "idempotencyKey");
  const answer = await client.write({ operations, reason, idempotencyKey }, run.call);
  await run.print.many(tuples.map((name, i) => changedThing(name, answer, conditions.length + i)));
  return undefined;
}

function changedThing(tuple: string, answer: WriteAnswer, index: number): Thing {
  const { height, transactionId, sequence, replayed, token } = answer;
  return {
    name: tuple,
    fields: {
      tuple,
      status: answer.statuses[index] ?? null,
      height,
      token,
      transaction: transactionId,
      sequence,
      replayed,
    },
    columns: ["tuple", "status", "height", "token"],
  };
}

function thingOf({ tuple, version, expiresAtMs, condition, erased }: Relationship): Thing {
  return {
    name: formatTuple(tuple),
    fields: {
      resource: tuple.resource,
      relation: tuple.relation,
      subject: tuple.subject,
      version,
      expires_at: timeText(expiresAtMs) ?? null,
      expires_at_ms: expiresAtMs,
      condition: condition?.name ?? null,
      condition_context: condition?.context ?? null,
      ...(erased && { condition_erased: true }),
    },
    columns: [
      ...["resource", "relation", "subject", "version", "expires_at"],
      ...(condition === undefined ? [] : ["condition", "condition_context"]),
      ...(erased ? ["condition_erased"] : []),
    ],
  };
}
