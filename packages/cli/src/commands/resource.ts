/** `authledger resource list`. */
import type { Command } from "commander";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { firstOf, withoutProof } from "../run/rows.js";
import { usage } from "../run/settings.js";
import { watchable } from "../run/watch.js";

export function addResourceCommands(program: Command, frame: CommandFrame): void {
  const resource = program.command("resource").description("what tuples are about");
  const list = resource
    .command("list")
    .description("list the resources of a type that have tuples, without a proof")
    .option("--type <type>", "the part in front of the colon, such as document")
    .option("--limit <rows>", "stop after so many rows");
  frame.handle(watchable(withConsistency(withoutProof(list))), listResources);
}

async function listResources(run: Run): Promise<undefined> {
  requireTenant(run);
  const type = textFlag(run, "type");
  if (type === undefined) throw usage("no type: give --type, such as --type document");
  const client = await run.client();
  const unproven = run.flags["unproven"] === true;
  const options = { ...run.call, consistency: consistencyOf(run), unproven };
  const listOf = (page: { readonly pageSize: number }): AsyncIterable<string> =>
    client.listResources(type, { ...options, ...page });
  const thingOf = (name: string): { name: string; fields: { resource: string } } => ({
    name,
    fields: { resource: name },
  });
  await run.print.many(firstOf(run, listOf, thingOf));
  return undefined;
}
