/** GetConfig and UpdateConfig over the runtime configuration. */
import type { admin } from "@authledger/proto";
import { LedgerError, limits, validateFreeText } from "@authledger/types";
import type { CallContext } from "../call-frame.js";
import { isFixedField } from "../config.js";
import type { ClusterConfig } from "./cluster-config.js";
import { type RuntimeConfig, unknownField, valueText } from "./runtime-config.js";
import { isRuntimeField, RUNTIME_FIELD_NAMES, RUNTIME_FIELDS } from "./runtime-fields.js";

/** What the two calls work on. */
export interface ConfigDeps {
  readonly runtime: RuntimeConfig;
  readonly cluster: ClusterConfig;
}

export function getConfig({ runtime }: ConfigDeps): admin.GetConfigResponse {
  const { values, cluster } = runtime;
  const fields = [...RUNTIME_FIELD_NAMES].sort().map((name) => ({
    name,
    value: valueText(name, values[name]),
    source: runtime.sourceOf(name),
    clusterValue: cluster[name] === undefined ? "" : valueText(name, cluster[name]),
    defaultValue: valueText(name, RUNTIME_FIELDS[name].default),
    doc: RUNTIME_FIELDS[name].doc,
  }));
  return { fields };
}

/** @throws LedgerError CONFIG_INVALID, CONFIG_NOT_RECONFIGURABLE, and as a write */
export async function updateConfig(
  { cluster }: ConfigDeps,
  { values, dryRun, reason }: admin.UpdateConfigRequest,
  { principal, deadlineAtMs }: CallContext,
): Promise<admin.UpdateConfigResponse> {
  validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
  for (const name of Object.keys(values)) requireReconfigurable(name);
  const about = { actor: principal.name, reason, deadlineAtMs, dryRun };
  const changes = await cluster.update(values, about);
  return { changes: changes.map((change) => ({ ...change })), dryRun };
}

function requireReconfigurable(name: string): void {
  if (isRuntimeField(name)) return;
  if (!isFixedField(name)) throw unknownField(name, RUNTIME_FIELD_NAMES);
  const message = `${name} cannot change while a node runs`;
  throw new LedgerError("CONFIG_NOT_RECONFIGURABLE", message, { details: { field: name } });
}
