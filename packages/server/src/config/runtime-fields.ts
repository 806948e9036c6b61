/**
 * What of the configuration may change while a node runs: a line in `RuntimeValues` and one in
 * `RUNTIME_FIELDS` for each. Who uses a field reads it from
 * `RuntimeConfig.values` each time, or subscribes to it; a value of its own that is kept would go stale.
 */

import { LOG_LEVELS, type LogLevel } from "../logger.js";
import { PROTECTION_FIELDS, type ProtectionSettings } from "../protection/protection-config.js";
import { choiceField, durationField, type Field, numberField, textField } from "./field.js";

const DAY_MS = 86_400_000;

/** All values that hold at one time. */
export interface RuntimeValues extends ProtectionSettings {
  readonly logLevel: LogLevel;
  /** In milliseconds. */
  readonly logSlow: number;
  readonly logReadRate: number;
  readonly logWriteRate: number;
  readonly logVipRate: number;
  /** With commas between. */
  readonly logVip: string;
  /** In milliseconds; 0 = for ever. */
  readonly auditRetention: number;
  readonly traceRate: number;
  /** In milliseconds. */
  readonly shutdownGrace: number;
  /** In milliseconds. */
  readonly preStopDelay: number;
  readonly scrubHours: number;
}

export type RuntimeFieldName = keyof RuntimeValues;

export const RUNTIME_FIELDS: { readonly [K in RuntimeFieldName]: Field<RuntimeValues[K]> } = {
  ...PROTECTION_FIELDS,
  logLevel: choiceField("What the node's log tells.", LOG_LEVELS, "info"),
  logSlow: durationField("Calls that took so long have their line in the log.", {
    ...{ default: 250, min: 1, max: 600_000 },
  }),
  logReadRate: numberField("Share of the reads that have their line in the log.", {
    ...{ default: 0.01, min: 0, max: 1 },
  }),
  logWriteRate: numberField("Share of the writes that have their line in the log.", {
    ...{ default: 0.1, min: 0, max: 1 },
  }),
  logVipRate: numberField("Share of the calls of those in logVip that have their line.", {
    ...{ default: 0.5, min: 0, max: 1 },
  }),
  traceRate: numberField("Share of the calls without a caller's trace that are traced.", {
    ...{ default: 0.01, min: 0, max: 1 },
  }),
  auditRetention: durationField(
    "How long records of the audit log stay in the state; 0 = for ever. They stay in the history.",
    { default: 365 * DAY_MS, min: 0, max: 3_650 * DAY_MS },
  ),
  logVip: textField("Principals and organizations whose calls are looked at closely.", 65_536),
  shutdownGrace: durationField("How long calls may run on after the node was told to stop.", {
    ...{ default: 10_000, min: 0, max: 300_000 },
  }),
  preStopDelay: durationField(
    "How long a node that was told to stop says that it is not ready, and still serves.",
    { default: 0, min: 0, max: 300_000 },
  ),
  scrubHours: numberField("Hours between the beginnings of two passes of the scrubber; 0 = none.", {
    ...{ default: 24, min: 0, max: 720 },
  }),
};

/** What a person gives: text, or the value itself. */
export type RuntimeInput = {
  readonly [K in RuntimeFieldName]?: RuntimeValues[K] | string | undefined;
};

export const RUNTIME_FIELD_NAMES: readonly RuntimeFieldName[] = Object.keys(
  RUNTIME_FIELDS,
) as RuntimeFieldName[];

export function isRuntimeField(name: string): name is RuntimeFieldName {
  return Object.hasOwn(RUNTIME_FIELDS, name);
}
