/** `authledger audit-log`: what was done in the cluster, by whom, and who was not let in. */
import type { AuditLogOptions, AuditOutcome, AuditRecord, LedgerClient } from "@authledger/sdk";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { timeOf } from "../run/expiry.js";
import { readText } from "../run/read-text.js";
import { firstOf } from "../run/rows.js";
import { usage } from "../run/settings.js";
import { watchable } from "../run/watch.js";
import { fetchProof } from "./proof-fetch.js";
import { proofFields } from "./proof-file.js";

const OUTCOMES: readonly AuditOutcome[] = ["success", "failure", "refused"];
/** Of the vault that holds the audit log. */
const SYSTEM = { organization: "0", vault: "0" };

export function addAuditLogCommand(program: Command, frame: CommandFrame): void {
  const command = program
    .command("audit-log")
    .description("what was done in the cluster, by whom, and who was not let in; oldest first")
    .option("--since <time>", "from this RFC 3339 time on, or milliseconds since 1970")
    .option("--until <time>", "before this time")
    .option("--actor <name>", "only what this principal did")
    .option("--action <text>", "only calls whose names begin so: IamService/, AdminService/Cre")
    .option("--outcome <outcome>", OUTCOMES.join(", "))
    .option("--limit <rows>", "stop after so many records")
    .option("--prove", "with each record its proof, as proof get writes it (-o json)");
  frame.handle(watchable(command), showAuditLog);
}

async function showAuditLog(run: Run): Promise<undefined> {
  const options = { ...run.call, ...filterOf(run), ...(await anchorOf(run)) };
  const client = await run.client();
  const records = firstOf(run, (page) => client.auditLog({ ...options, ...page }), thingOf);
  const isProving = run.flags["prove"] === true;
  const count = await run.print.many(isProving ? withProofs(run, records) : records);
  if (count === 0) run.say("no records here");
  return undefined;
}

/** The anchor of a context is of another vault: only a flag names that of the system vault. @throws LedgerError IO_READ_FAILED */
async function anchorOf(run: Run): Promise<Pick<AuditLogOptions, "anchor">> {
  const file = textFlag(run, "anchor");
  return file === undefined ? {} : { anchor: await readText(file) };
}

/** @throws LedgerError USAGE */
function filterOf(run: Run): AuditLogOptions {
  const outcome = textFlag(run, "outcome");
  const known = OUTCOMES.find((one) => one === outcome);
  if (known !== outcome) throw usage(`--outcome "${outcome}" is none of ${OUTCOMES.join(", ")}`);
  const [since, until] = ["since", "until"].map((flag) => {
    const text = textFlag(run, flag);
    return text === undefined ? undefined : BigInt(timeOf(text, flag));
  });
  return {
    ...{ sinceMs: since, untilMs: until, outcome: known },
    ...{ actor: textFlag(run, "actor"), action: textFlag(run, "action") },
  };
}

/** The proofs are for whoever trusts nobody, so that who asks for them need not verify. */
async function* withProofs(
  run: Run,
  records: AsyncIterable<Thing>,
): AsyncGenerator<Thing, void, undefined> {
  let client: LedgerClient | undefined;
  for await (const record of records) {
    client ??= await run.client({ tenant: SYSTEM, verify: undefined });
    const question = { kind: "entity", key: record.name } as const;
    const proof = proofFields(await fetchProof(client, SYSTEM, question, run.call));
    yield { ...record, fields: { ...record.fields, proof } };
  }
}

function thingOf(record: AuditRecord): Thing {
  const { key, timeMs, actor, action, outcome, resource, code, message } = record;
  const { requestId, client, node, count, untilMs, version, isProven } = record;
  const about = Object.entries(resource).map(([name, value]) => `${name}=${value}`);
  return {
    name: key,
    fields: {
      ...{ key, time: timeText(timeMs), time_ms: timeMs, actor, action, outcome },
      ...{ resource, about: about.join(" "), code, message },
      ...{ request_id: requestId, client, node, count },
      ...(untilMs !== undefined && { until: timeText(untilMs), until_ms: untilMs }),
      ...{ version, proven: isProven },
    },
    columns: ["time", "actor", "action", "outcome", "about", "code", "count", "client", "node"],
  };
}
