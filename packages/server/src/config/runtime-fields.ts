/**
 * What of the configuration may change while a node runs: a line in `RuntimeValues` and one in
 * `RUNTIME_FIELDS` for each. Who uses a field reads it from
 * `RuntimeConfig.values` each time, or subscribes to it; a value of its own that is kept would go stale.
 */
import { LOG_LEVELS, type LogLevel } from "../logger.js";
import { choiceField, durationField, type Field, numberField } from "./field.js";

/** All values that hold at one time. */
export interface RuntimeValues {
  readonly logLevel: LogLevel;
  /** In milliseconds. */
  readonly shutdownGrace: number;
  readonly scrubHours: number;
}

export type RuntimeFieldName = keyof RuntimeValues;

export const RUNTIME_FIELDS: { readonly [K in RuntimeFieldName]: Field<RuntimeValues[K]> } = {
  logLevel: choiceField("What the node's log tells.", LOG_LEVELS, "info"),
  shutdownGrace: durationField("How long calls may run on after the node was told to stop.", {
    ...{ default: 10_000, min: 0, max: 300_000 },
  }),
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
