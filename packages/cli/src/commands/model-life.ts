/** `authledger model deploy|activate|rollback|get|list|diff|assertions`. */
import type { Assertion, ChangedAnswer, ModelChange, ModelInfo } from "@authledger/sdk";
import { ExitCode, formatTuple } from "@authledger/types";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { wholeOf } from "../run/settings.js";
import { modelText, withLanguage } from "./model-file.js";

export function addModelLifeCommands(model: Command, frame: CommandFrame): void {
  const deploy = withLanguage(model.command("deploy").argument("<file>"))
    .description("store a model as the next version; the same model again is the same version")
    .option("--activate", "decide by it from now on")
    .option("--dry-run", "change nothing; say what it would change, and whose answers")
    .option("--must-allow <tuples...>", "assertions: while it is active, these are allowed")
    .option("--must-deny <tuples...>", "assertions: while it is active, these are denied")
    .option("--reason <text>", "why, for the record");
  frame.handle(deploy, deployModel);
  const activate = model
    .command("activate")
    .argument("<version>", "0: no model from now on")
    .description("decide by a version from now on, if its assertions hold")
    .option("--reason <text>", "why, for the record");
  frame.handle(activate, async (run, version) => {
    requireTenant(run);
    const client = await run.client();
    const number = wholeOf(version!, "version");
    const done = await client.models.activate(number, { ...run.call, ...reasonOf(run) });
    await printSwitched(run, done);
    return undefined;
  });
  const rollback = model
    .command("rollback")
    .description("decide by the version again that was active before")
    .option("--reason <text>", "why, for the record");
  frame.handle(rollback, async (run) => {
    requireTenant(run);
    const client = await run.client();
    await printSwitched(run, await client.models.rollback({ ...run.call, ...reasonOf(run) }));
    return undefined;
  });
  addModelReads(model, frame);
}

function addModelReads(model: Command, frame: CommandFrame): void {
  const get = model
    .command("get")
    .argument("[version]", "default: the active one")
    .description("show a version")
    .option("--source", "print its text as it was deployed, and nothing else");
  frame.handle(withConsistency(get), getModel);
  const list = model.command("list").description("list the versions, the newest first");
  frame.handle(withConsistency(list), async (run) => {
    requireTenant(run);
    const client = await run.client();
    const options = { ...run.call, consistency: consistencyOf(run) };
    const count = await run.print.many(things(client.models.list(options)));
    if (count === 0) run.say("no models yet: authledger model deploy FILE --activate");
    return undefined;
  });
  const diff = withLanguage(model.command("diff").argument("<to>", "a version, or a file"))
    .description("what changes from a version to another one, and what of it may break somebody")
    .option("--from <version>", "default: the active one")
    .option("--exit-code", "exit with 1 when a change is breaking");
  frame.handle(diff, diffModel);
  const assertions = model
    .command("assertions")
    .argument("<version>")
    .description("what must hold while a version is active");
  frame.handle(withConsistency(assertions), listAssertions);
}

async function deployModel(run: Run, path = ""): Promise<undefined> {
  requireTenant(run);
  const source = await modelText(run, path);
  const client = await run.client();
  const dryRun = run.flags["dryRun"] === true;
  const activate = run.flags["activate"] === true;
  const assertions = assertionsOf(run);
  const options = { ...run.call, ...reasonOf(run), dryRun, activate, assertions };
  const done = await client.models.deploy(source, options);
  const { model, existed, height, token, diff } = done;
  const tried = dryRun && {
    dry_run: true,
    breaking_changes: diff?.changes.filter(({ breaking }) => breaking).length ?? 0,
    changes: diff?.changes.map(changeFields) ?? [],
    answers_compared: done.answersCompared,
    changed_answers: done.changedAnswers.map(answerFields),
    unallowed_tuples: done.unallowedTuples.map(formatTuple),
  };
  const { fields } = thingOf(model);
  await run.print.one({
    name: String(model.version),
    fields: { ...fields, existed, height, token, ...tried },
    columns: ["version", "active", "existed", "types", "relations", "height", ...TRIED_COLUMNS],
  });
  if (dryRun) run.say("nothing was changed: -o wide or -o json shows all of it");
  return undefined;
}

const TRIED_COLUMNS = [
  "breaking_changes",
  "changes",
  "answers_compared",
  "changed_answers",
  "unallowed_tuples",
];

async function getModel(run: Run, version?: string): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const options = { ...run.call, consistency: consistencyOf(run) };
  const { models } = client;
  const stored =
    version === undefined
      ? await models.active(options)
      : await models.get(wholeOf(version, "version"), options);
  const { files } = stored.source;
  if (run.flags["source"] === true) {
    for (const { text } of files) await run.io.out(text.endsWith("\n") ? text : `${text}\n`);
    return undefined;
  }
  const { fields, name, columns = [] } = thingOf(stored.model);
  const shown = files.map(({ name: file, text }) => ({ name: file, text }));
  const definition = stored.definition as unknown as Printable;
  await run.print.one({ name, fields: { ...fields, files: shown, definition }, columns });
  return undefined;
}

async function diffModel(run: Run, to = ""): Promise<number | undefined> {
  requireTenant(run);
  const isVersion = /^[0-9]+$/.test(to);
  const target = isVersion ? wholeOf(to, "version") : await modelText(run, to);
  const from = textFlag(run, "from");
  const options = { ...run.call, ...(from !== undefined && { from: wholeOf(from, "from") }) };
  const client = await run.client();
  const { changes } = await client.models.diff(target, options);
  const rows = changes.map((change) => ({ name: change.subject, fields: changeFields(change) }));
  await run.print.many(rows);
  if (changes.length === 0) run.say("nothing changes");
  const isBreaking = changes.some(({ breaking }) => breaking);
  return isBreaking && run.flags["exitCode"] === true ? ExitCode.DENIED : undefined;
}

async function listAssertions(run: Run, version = ""): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const options = { ...run.call, consistency: consistencyOf(run) };
  const { assertions } = await client.models.assertions(wholeOf(version, "version"), options);
  const rows = assertions.map(({ tuple, expected, context = {}, contextualTuples = [] }) => {
    const name = typeof tuple === "string" ? tuple : formatTuple(tuple);
    const given = { context: context as Printable, contextual_tuples: contextualTuples.length };
    return { name, fields: { tuple: name, expected, ...given }, columns: ["tuple", "expected"] };
  });
  if ((await run.print.many(rows)) === 0) run.say(`version ${version} has no assertions`);
  return undefined;
}

async function printSwitched(
  run: Run,
  done: {
    readonly model: ModelInfo | undefined;
    readonly previousVersion: bigint;
    readonly height: bigint;
    readonly token: string;
  },
): Promise<void> {
  const { model, previousVersion, height, token } = done;
  const version = model?.version ?? 0n;
  await run.print.one({
    name: String(version),
    fields: { version, previous_version: previousVersion, height, token },
    columns: ["version", "previous_version", "height"],
  });
}

/** None: those that the version has stay. */
function assertionsOf({ flags }: Run): readonly Assertion[] {
  const listed = (tuples: unknown, expected: boolean): readonly Assertion[] =>
    Array.isArray(tuples) ? tuples.map((tuple: string) => ({ tuple, expected })) : [];
  return [...listed(flags["mustAllow"], true), ...listed(flags["mustDeny"], false)];
}

function reasonOf(run: Run): { readonly reason?: string } {
  const reason = textFlag(run, "reason");
  return reason === undefined ? {} : { reason };
}

function changeFields({ kind, subject, breaking, message }: ModelChange): Thing["fields"] {
  return { change: kind, subject, breaking, message };
}

function answerFields(answer: ChangedAnswer): Thing["fields"] {
  const { tuple, before, after, asserted, reason } = answer;
  return {
    tuple: formatTuple(tuple),
    before: before ?? null,
    after: after ?? null,
    asserted,
    reason,
  };
}

async function* things(models: AsyncIterable<ModelInfo>): AsyncGenerator<Thing, void, undefined> {
  for await (const model of models) yield thingOf(model);
}

function thingOf(model: ModelInfo): Thing {
  const { version, hash, language, schema, types, relations, conditions, assertions } = model;
  return {
    name: String(version),
    fields: {
      ...{ version, active: model.active, hash, language, schema, types, relations, conditions },
      assertions,
      deployed_at: timeText(model.deployedAtMs) ?? null,
      deployed_at_ms: model.deployedAtMs,
      deployed_by: model.deployedBy,
      activated_at: timeText(model.activatedAtMs) ?? null,
      activated_at_ms: model.activatedAtMs,
    },
    columns: ["version", "active", "language", "types", "relations", "assertions", "deployed_at"],
  };
}
