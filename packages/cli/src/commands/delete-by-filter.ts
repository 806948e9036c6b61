/** `authledger tuple delete --filter ...`: what matches goes, a transaction at a time. */
import type { DeleteFilter } from "@authledger/sdk";
import { type Run, requireTenant, textFlag } from "../run/command.js";
import { isConfirmed } from "../run/confirm.js";
import { usage } from "../run/settings.js";

const PARTS: Readonly<Record<string, string>> = {
  resource: "resource",
  "resource-type": "resourceType",
  relation: "relation",
  subject: "subject",
  "subject-type": "subjectType",
};

/** Counts first, tells the plan, asks, and then deletes. @throws LedgerError USAGE */
export async function deleteMatching(run: Run, filterText: string): Promise<undefined> {
  requireTenant(run);
  const filter = filterOf(filterText);
  const reason = textFlag(run, "reason");
  const options = { ...run.call, reason, all: run.flags["all"] === true };
  const client = await run.client();
  let matched = 0n;
  for await (const step of client.deleteByFilter(filter, { ...options, dryRun: true })) {
    matched = step.matched;
  }
  const plan = `This deletes ${matched} tuple${matched === 1n ? "" : "s"} that match ${filterText}`;
  let deleted = 0n;
  let token: string | undefined;
  if (matched > 0n && (await isConfirmed(run, plan))) {
    for await (const step of client.deleteByFilter(filter, options)) ({ deleted, token } = step);
  }
  const fields = { filter: filterText, matched, deleted, token: token ?? null };
  // A line, as for tuples that are named.
  await run.print.many([{ name: filterText, fields }]);
  return undefined;
}

/** @example filterOf("resource-type=doc,subject=user:ann") */
function filterOf(text: string): DeleteFilter {
  const filter: Record<string, string> = {};
  for (const part of text === "" ? [] : text.split(",")) {
    const at = part.indexOf("=");
    const name = PARTS[part.slice(0, Math.max(0, at))];
    if (name === undefined || at === part.length - 1) {
      throw usage(
        `--filter "${part}" is not ${Object.keys(PARTS).join("=..., ")}=..., joined by commas`,
      );
    }
    filter[name] = part.slice(at + 1);
  }
  return filter;
}
