/**
 * A recorded history: JSON lines, one object a line, as docs/history-format.md describes them. Whoever drives a
 * cluster writes one (the simulator, a test of real processes), and any checker can read it.
 *
 * Two kinds of lines: what clients asked and were answered (`Operation`), and what the log says happened (`LoggedWrite`,
 * `LoggedBlock`). A history without lines of the log can still be judged by the checker that needs none.
 */

/** `put`, `get`, `del` and `cas` are of entities; `create`, `delete` and `check` of tuples. */
const OPERATION_KINDS = ["put", "get", "del", "cas", "create", "delete", "check"] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** How fresh a read had to be; only linearizable reads are bound by real time. */
const READ_LEVELS = ["linearizable", "at_least", "any"] as const;
type ReadLevel = (typeof READ_LEVELS)[number];

/** One operation of one client. */
export interface Operation {
  /** The client; it waits for one answer before it asks again. */
  readonly proc: number;
  readonly op: OperationKind;
  readonly key: string;
  /** Value written by `put` and `cas`; null otherwise. */
  readonly in: string | null;
  /** Value that `cas` expects; null = nothing there. */
  readonly exp: string | null;
  /** When it was asked and answered, on one monotonic clock for all lines; `ret` null = never answered. */
  readonly call: number;
  readonly ret: number | null;
  /** True: answered. False: refused, provably before it was proposed. Null: nobody knows. */
  readonly ok: boolean | null;
  /** `get`: the value or null. `check`: is it there. `cas`: did it match. `create`, `del`, `delete`: did it change something. */
  readonly out: string | boolean | null;
  /** Keys of different vaults have nothing in common. Absent: "". */
  readonly vault?: string;
  /** Names the request in the log: client id and idempotency key. */
  readonly id?: string;
  /** Index of the log that the answer speaks of: a read saw everything up to it, a write had been applied by then. */
  readonly index?: number;
  /** Height of the vault in the answer. */
  readonly height?: number;
  /** State root at that height, hex, where the answer carried one. */
  readonly root?: string;
  /** Absent: "linearizable". */
  readonly read?: ReadLevel;
  /** With `read` "at_least": the index asked for. */
  readonly atLeast?: number;
  /** Whether the answer's proof verified; absent where none was asked for. */
  readonly proof?: boolean;
}

/** One write of an applied transaction. Lines are in the order of the log; those of one transaction follow each other. */
export interface LoggedWrite {
  /** Index of the entry. */
  readonly log: number;
  readonly vault?: string;
  readonly id: string;
  readonly op: "put" | "del" | "cas" | "create" | "delete";
  readonly key: string;
  readonly in: string | null;
  readonly exp: string | null;
}

/** The block of a vault that an entry made. */
export interface LoggedBlock {
  readonly log: number;
  readonly vault?: string;
  readonly height: number;
  /** State root after it, hex. */
  readonly root: string;
}

export interface History {
  readonly operations: readonly Operation[];
  readonly writes: readonly LoggedWrite[];
  readonly blocks: readonly LoggedBlock[];
}

/** A line that does not say what a line of a history says. */
export class HistoryFormatError extends Error {
  constructor(line: number, why: string) {
    super(`line ${line}: ${why}`);
    this.name = "HistoryFormatError";
  }
}

export function formatHistory({ operations, writes, blocks }: History): string {
  return [...operations, ...writes, ...blocks].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** @throws HistoryFormatError */
export function parseHistory(text: string): History {
  const operations: Operation[] = [];
  const writes: LoggedWrite[] = [];
  const blocks: LoggedBlock[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const fields = new Fields(line, i + 1);
    if (!fields.has("log")) operations.push(operationOf(fields));
    else if (fields.has("height")) blocks.push(blockOf(fields));
    else writes.push(writeOf(fields));
  }
  return { operations, writes, blocks };
}

/** Names the register that an operation is about: keys of other vaults are other registers. */
export function registerOf({ vault, key }: Pick<Operation, "vault" | "key">): string {
  return vault ? `${vault}:${key}` : key;
}

function operationOf(fields: Fields): Operation {
  const ok = fields.value("ok");
  if (ok !== null && typeof ok !== "boolean") throw fields.wrong("ok", "true, false or null");
  const out = fields.value("out");
  if (out !== null && typeof out !== "boolean" && typeof out !== "string") {
    throw fields.wrong("out", "a string, true, false or null");
  }
  const ret = fields.value("ret") === null ? null : fields.number("ret");
  const call = fields.number("call");
  if (ret !== null && ret < call) throw fields.wrong("ret", "not before call");
  return {
    proc: fields.number("proc"),
    op: fields.oneOf("op", OPERATION_KINDS),
    key: fields.text("key"),
    in: fields.textOrNull("in"),
    exp: fields.textOrNull("exp"),
    call,
    ret,
    ok: ret === null ? null : ok,
    out,
    ...fields.optional("vault", "string"),
    ...fields.optional("id", "string"),
    ...fields.optional("index", "number"),
    ...fields.optional("height", "number"),
    ...fields.optional("root", "string"),
    ...(fields.has("read") && { read: fields.oneOf("read", READ_LEVELS) }),
    ...fields.optional("atLeast", "number"),
    ...fields.optional("proof", "boolean"),
  };
}

function writeOf(fields: Fields): LoggedWrite {
  return {
    log: fields.number("log"),
    ...fields.optional("vault", "string"),
    id: fields.text("id"),
    op: fields.oneOf("op", ["put", "del", "cas", "create", "delete"] as const),
    key: fields.text("key"),
    in: fields.textOrNull("in"),
    exp: fields.textOrNull("exp"),
  };
}

function blockOf(fields: Fields): LoggedBlock {
  return {
    log: fields.number("log"),
    ...fields.optional("vault", "string"),
    height: fields.number("height"),
    root: fields.text("root"),
  };
}

interface Kinds {
  string: string;
  number: number;
  boolean: boolean;
}

/** The fields of one line, looked at with care. */
class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #line: number;

  constructor(text: string, line: number) {
    this.#line = line;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new HistoryFormatError(line, "not JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new HistoryFormatError(line, "not an object");
    }
    this.#fields = value as Record<string, unknown>;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  /** Null when it is missing. */
  value(name: string): unknown {
    return this.#fields[name] ?? null;
  }

  number(name: string): number {
    const value = this.value(name);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.wrong(name, "a number");
  }

  text(name: string): string {
    const value = this.value(name);
    if (typeof value === "string") return value;
    throw this.wrong(name, "a string");
  }

  textOrNull(name: string): string | null {
    return this.value(name) === null ? null : this.text(name);
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.value(name) as T;
    if (allowed.includes(value)) return value;
    throw this.wrong(name, `one of ${allowed.join(", ")}`);
  }

  /** The field under its name, if it is there. */
  optional<N extends string, K extends keyof Kinds>(
    name: N,
    kind: K,
  ): { readonly [F in N]?: Kinds[K] } {
    const value = this.value(name);
    if (value === null) return {};
    if (typeof value !== kind) throw this.wrong(name, `a ${kind}`);
    return { [name]: value } as { [F in N]?: Kinds[K] };
  }

  wrong(name: string, wanted: string): HistoryFormatError {
    const got = JSON.stringify(this.value(name));
    return new HistoryFormatError(this.#line, `${name} is ${got}, not ${wanted}`);
  }
}
