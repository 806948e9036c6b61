/** `authledger entity set|get|list|delete|erase`. */
import { readFile } from "node:fs/promises";
import { deleteEntity, type Entity, setEntity } from "@authledger/sdk";
import { decodeUtf8, LedgerError, type SetCondition, utf8 } from "@authledger/types";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { withConfirmation } from "../run/confirm.js";
import { isDeletionConfirmed } from "../run/confirm-deletion.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { expiryOf } from "../run/expiry.js";
import { firstOf, withoutProof } from "../run/rows.js";
import { usage, wholeOf } from "../run/settings.js";
import { watchable } from "../run/watch.js";

export function addEntityCommands(program: Command, frame: CommandFrame): void {
  const entity = program.command("entity").description("keys with values");
  const set = entity
    .command("set")
    .argument("<key>")
    .argument("[value]")
    .description("store a value under a key")
    .option("--file <path>", "take the value from a file")
    .option("--expires <time>", "RFC 3339 time, or milliseconds since 1970");
  frame.handle(withConditions(set), setValue);
  const get = entity
    .command("get")
    .argument("<key>")
    .description("show the value of a key")
    .option("--raw", "write the bytes of the value and nothing else");
  frame.handle(withConsistency(get), getValue);
  const list = entity
    .command("list")
    .description("list entities in the order of their keys, without a proof")
    .option("--prefix <text>", "only keys that begin with it")
    .option("--include-expired", "also what has expired and is not collected yet")
    .option("--limit <rows>", "stop after so many rows");
  frame.handle(watchable(withConsistency(withoutProof(list))), listEntities);
  const remove = entity.command("delete").argument("<key>").description("remove a key");
  frame.handle(withConditions(remove), async (run, key = "") =>
    change(run, key, deleteEntity(key, conditionOf(run))),
  );
  const erase = entity
    .command("erase")
    .argument("<key>")
    .description("delete a key and erase its value from every earlier version, for ever")
    .option("--keep-current", "leave what is stored now")
    .option("--reason <text>", "why, for the record; do not name the person in it");
  frame.handle(withConfirmation(erase), eraseValue);
}

function withConditions(command: Command): Command {
  return command
    .option("--reason <text>", "why, for the record")
    .option("--if-absent", "only when there is no such key")
    .option("--if-exists", "only when there is one")
    .option("--if-version <height>", "only when its version is this one")
    .option("--if-value <text>", "only when its value is this one");
}

/** @throws LedgerError USAGE when there is more than one */
function conditionOf(run: Run): SetCondition {
  const { ifAbsent, ifExists, ifVersion, ifValue } = run.flags;
  const given: SetCondition[] = [];
  if (ifAbsent === true) given.push({ kind: "must_not_exist" });
  if (ifExists === true) given.push({ kind: "must_exist" });
  if (typeof ifVersion === "string") {
    given.push({ kind: "version_equals", version: wholeOf(ifVersion, "if-version") });
  }
  if (typeof ifValue === "string") given.push({ kind: "value_equals", value: utf8(ifValue) });
  if (given.length > 1) {
    throw usage("at most one of --if-absent, --if-exists, --if-version and --if-value");
  }
  return given[0] ?? { kind: "none" };
}

async function setValue(run: Run, key = "", value?: string): Promise<undefined> {
  const bytes = await valueGiven(value, textFlag(run, "file"));
  const expiresAtMs = expiryOf(textFlag(run, "expires"));
  const condition = conditionOf(run);
  return change(run, key, setEntity(key, bytes, { expiresAtMs, condition }));
}

async function valueGiven(
  value: string | undefined,
  file: string | undefined,
): Promise<Uint8Array | string> {
  if (value !== undefined && file === undefined) return value;
  if (value !== undefined || file === undefined) throw usage("give a value or --file, not both");
  try {
    return new Uint8Array(await readFile(file));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("IO_READ_FAILED", `cannot read ${file}: ${why}`, { cause });
  }
}

async function change(
  run: Run,
  key: string,
  operation: ReturnType<typeof setEntity>,
): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const { statuses, height, token } = await client.write(
    { operations: [operation], reason: textFlag(run, "reason") },
    run.call,
  );
  await run.print.one({
    name: key,
    fields: { key, status: statuses[0] ?? null, height, token },
  });
  return undefined;
}

async function eraseValue(run: Run, key = ""): Promise<undefined> {
  requireTenant(run);
  const keepCurrent = run.flags["keepCurrent"] === true;
  const plan = {
    what: keepCurrent ? `earlier values of "${key}"` : `"${key}" and its value in every version`,
    name: key,
    lines: ["digests stay, so proofs stay valid", "the key itself stays in the history"],
  };
  if (!(await isDeletionConfirmed(run, plan))) return undefined;
  const client = await run.client();
  const options = { ...run.call, keepCurrent, reason: textFlag(run, "reason") };
  const { erased, deleted, token } = await client.erase({ entity: key }, options);
  await run.print.one({ name: key, fields: { key, erased, deleted, token } });
  return undefined;
}

async function getValue(run: Run, key = ""): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const consistency = consistencyOf(run);
  const { entity, height, token, verified } = await client.read(key, {
    ...run.call,
    consistency,
  });
  if (entity === undefined) {
    throw new LedgerError("ENTITY_NOT_FOUND", `there is no "${key}"`, { details: { key } });
  }
  if (run.flags["raw"] === true && entity.erased) {
    const message = `the value of "${key}" was erased; its digest is kept`;
    throw new LedgerError("VALUE_ERASED", message, { details: { key } });
  }
  if (run.flags["raw"] === true) return void (await run.io.outBytes(entity.value));
  const thing = thingOf(entity);
  const fields = { ...thing.fields, height, token, verified: verified?.kind };
  await run.print.one({ ...thing, fields });
  return undefined;
}

async function listEntities(run: Run): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const options = {
    ...run.call,
    consistency: consistencyOf(run),
    includeExpired: run.flags["includeExpired"] === true,
    unproven: run.flags["unproven"] === true,
  };
  const prefix = textFlag(run, "prefix") ?? "";
  await run.print.many(
    firstOf(run, (page) => client.listEntities(prefix, { ...options, ...page }), thingOf),
  );
  return undefined;
}

/** Text is shown as text; bytes that are none only in base64. */
function thingOf({ key, value, version, expiresAtMs, erased, commitment }: Entity): Thing {
  const text = erased ? "" : decodeUtf8(value);
  const base64 = Buffer.from(value).toString("base64");
  return {
    name: key,
    fields: {
      key,
      ...(text !== undefined && { value: text }),
      value_base64: base64,
      version,
      expires_at: timeText(expiresAtMs) ?? null,
      expires_at_ms: expiresAtMs,
      ...(erased && { erased }),
      ...(commitment && { value_length: commitment.length, value_digest: commitment.digest }),
    },
    columns: [
      ...["key", text === undefined ? "value_base64" : "value", "version", "expires_at"],
      ...(erased ? ["erased"] : []),
      ...(commitment ? ["value_digest"] : []),
    ],
  };
}
