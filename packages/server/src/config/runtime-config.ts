/**
 * The configuration that may change while the node runs (L-143, L-159). Each value comes from the first of these that
 * gives it: the node's own (flag, environment, file), the cluster's (the system vault), the default.
 *
 *   INV-ADMIN-2  Readers see all values of a change or none: `values` is one frozen object, replaced as a whole, and
 *                subscribers are called when it is in place.
 *   INV-ADMIN-3  A change with one wrong value changes nothing.
 *
 * @example
 * const config = new RuntimeConfig(parseRuntimeInput({ logLevel: "debug" }));
 * config.subscribe("logLevel", (level) => { logger.level = level; });
 */
import { LedgerError, suggestion } from "@authledger/types";
import { type Field, parseField } from "./field.js";
import {
  isRuntimeField,
  RUNTIME_FIELD_NAMES,
  RUNTIME_FIELDS,
  type RuntimeFieldName,
  type RuntimeValues,
} from "./runtime-fields.js";

/** Who said what a value is. */
export type ValueSource = "node" | "cluster" | "default";

type GivenValues = Partial<RuntimeValues>;

/** A field whose value became another one. */
export interface ConfigChange {
  readonly name: RuntimeFieldName;
  /** As text. */
  readonly before: string;
  readonly after: string;
}

export class RuntimeConfig {
  #own: GivenValues;
  #cluster: GivenValues = {};
  #values: RuntimeValues;
  readonly #listeners = new Map<RuntimeFieldName, Set<(value: never) => void>>();

  constructor(own: GivenValues = {}) {
    this.#own = own;
    this.#values = merged(own, {});
  }

  /** All values that hold now. Cheap: read it for each use. */
  get values(): RuntimeValues {
    return this.#values;
  }

  /** What the cluster says, whether or not this node says otherwise. */
  get cluster(): GivenValues {
    return this.#cluster;
  }

  sourceOf(name: RuntimeFieldName): ValueSource {
    if (this.#own[name] !== undefined) return "node";
    return this.#cluster[name] === undefined ? "default" : "cluster";
  }

  /** Calls `listener` with each new value of a field. @returns ends it */
  subscribe<K extends RuntimeFieldName>(
    name: K,
    listener: (value: RuntimeValues[K]) => void,
  ): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** The node's own values are others: its file was read again. */
  setOwn(own: GivenValues): readonly ConfigChange[] {
    this.#own = own;
    return this.#replace();
  }

  /** The cluster's values are others. */
  setCluster(cluster: GivenValues): readonly ConfigChange[] {
    this.#cluster = cluster;
    return this.#replace();
  }

  /** What would change here if the cluster said this. */
  preview(cluster: GivenValues): readonly ConfigChange[] {
    return changesOf(this.#values, merged(this.#own, cluster));
  }

  #replace(): readonly ConfigChange[] {
    const before = this.#values;
    this.#values = merged(this.#own, this.#cluster);
    const changes = changesOf(before, this.#values);
    for (const { name } of changes) {
      for (const listener of this.#listeners.get(name) ?? []) listener(this.#values[name] as never);
    }
    return changes;
  }
}

/**
 * Reads what a person gives for runtime fields; what is undefined is not given.
 * @throws LedgerError CONFIG_INVALID naming the field
 */
export function parseRuntimeInput(input: Readonly<Record<string, unknown>>): GivenValues {
  const values: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(input)) {
    if (given === undefined) continue;
    if (!isRuntimeField(name)) throw unknownField(name, RUNTIME_FIELD_NAMES);
    values[name] = parseField(name, fieldOf(name), given);
  }
  return values as GivenValues;
}

/** The text of a value, which reads back as the value. */
export function valueText(name: RuntimeFieldName, value: unknown): string {
  return fieldOf(name).text(value);
}

/** A field that does not exist, with the one that was meant. */
export function unknownField(name: string, known: readonly string[]): LedgerError {
  const message = `there is no configuration field "${name.slice(0, 80)}"${suggestion(name, known)}`;
  return new LedgerError("CONFIG_INVALID", message, { details: { field: name.slice(0, 80) } });
}

function fieldOf(name: RuntimeFieldName): Field<unknown> {
  return RUNTIME_FIELDS[name] as Field<unknown>;
}

function merged(own: GivenValues, cluster: GivenValues): RuntimeValues {
  const all = RUNTIME_FIELD_NAMES.map((name) => [
    name,
    own[name] ?? cluster[name] ?? RUNTIME_FIELDS[name].default,
  ]);
  return Object.freeze(Object.fromEntries(all)) as RuntimeValues;
}

function changesOf(before: RuntimeValues, after: RuntimeValues): readonly ConfigChange[] {
  return RUNTIME_FIELD_NAMES.filter((name) => before[name] !== after[name]).map((name) => ({
    name,
    before: valueText(name, before[name]),
    after: valueText(name, after[name]),
  }));
}
