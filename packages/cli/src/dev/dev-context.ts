/**
 * The context that `authledger dev` and `quickstart` keep up to date, so that commands in any shell find the node. It is
 * theirs alone: one of the same name that a person made, or that belongs to other data, stays as it is.
 */
import { LedgerError } from "@authledger/types";
import type { Context } from "../contexts/context-file.js";
import { ContextStore } from "../contexts/context-store.js";
import type { CliIo } from "../run/cli-io.js";
import type { DevLedger } from "./dev-ledger.js";

export interface DevContext {
  readonly name: string;
  /** Kept for this node; false when the name belongs to somebody else. */
  readonly isOurs: boolean;
  readonly isCurrent: boolean;
  /** Why nothing could be kept. */
  readonly failure?: LedgerError;
}

/** What a context is made of. */
export type ContextLedger = Pick<DevLedger, "tenant" | "anchorFile" | "pins" | "directory"> & {
  readonly node: Pick<DevLedger["node"], "endpoints">;
};

/** A file that cannot be written is no reason not to run the node. */
export async function keepDevContext(
  env: CliIo["env"],
  name: string,
  ledger: ContextLedger,
): Promise<DevContext> {
  const values = valuesOf(ledger, name);
  let isOurs = true;
  try {
    const { current } = await new ContextStore(env).update((file) => {
      const known = file.contexts.get(name);
      isOurs = known === undefined || known.made_by === values.made_by;
      if (!isOurs) return file;
      const contexts = new Map(file.contexts).set(name, values);
      return { ...file, contexts, current: file.current ?? name };
    });
    return { name, isOurs, isCurrent: current === name };
  } catch (thrown) {
    return { name, isOurs: false, isCurrent: false, failure: LedgerError.from(thrown) };
  }
}

/** What to type so that commands of another shell know the node. */
export function howToReach(context: DevContext, envFile: string): string {
  if (context.isOurs && context.isCurrent) {
    return `in any shell (context "${context.name}" is the current one):`;
  }
  if (context.isOurs) return `in any shell:\n  bin/authledger context use ${context.name}`;
  const why =
    context.failure?.message ?? `the context "${context.name}" is another's and was left alone`;
  return `in another shell (${why}):\n  . '${envFile}'`;
}

function valuesOf(
  { node, tenant, anchorFile, pins, directory }: ContextLedger,
  name: string,
): Context {
  return {
    endpoint: node.endpoints.join(","),
    organization: String(tenant.organization),
    vault: String(tenant.vault),
    anchor: anchorFile,
    pins,
    made_by: `authledger ${name} --data ${directory}`,
  };
}
