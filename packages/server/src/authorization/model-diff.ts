/** What changes from one model to another, as a message. */
import type { ModelChange } from "@authledger/authz";
import type { model } from "@authledger/proto";

/** Changes that one answer gives. */
const CHANGES_MAX = 1_000;

export function diffMessage(changes: readonly ModelChange[]): model.ModelDiff {
  const shown = changes.slice(0, CHANGES_MAX).map(({ kind, what, subject, breaking, message }) => ({
    ...{ kind: `${what}_${kind}`, subject, breaking, message },
  }));
  return { changes: shown, truncated: changes.length > CHANGES_MAX };
}
