/**
 * Kinds of configuration fields: what people write (text such as `5ms`, `128MB`, `info`), what the program reads
 * (milliseconds, bytes, a word), and how a value is written again (L-49).
 *
 *   INV-ADMIN-1  The text of a value reads back as that value.
 */
import { LedgerError } from "@authledger/types";
import { z } from "zod";

/** One field of the configuration. */
export interface Field<T> {
  readonly default: T;
  /** What it is for, one sentence. */
  readonly doc: string;
  /** Takes what a person wrote, or the value itself. */
  readonly schema: z.ZodType<T, number | string | boolean>;
  readonly text: (value: T) => string;
}

/** Reads a number that has units, and writes it again. */
interface Unit {
  readonly factors: Readonly<Record<string, number>>;
  /** Units to write in, largest first. */
  readonly written: readonly string[];
  readonly pattern: RegExp;
  readonly example: string;
}

const KiB = 1024;
const SECOND = 1_000;

const SIZE: Unit = {
  factors: {
    ...{ B: 1, KiB, MiB: KiB ** 2, GiB: KiB ** 3, TiB: KiB ** 4 },
    ...{ KB: 1_000, MB: 1_000_000, GB: 1_000_000_000, TB: 1_000_000_000_000 },
  },
  written: ["TiB", "GiB", "MiB", "KiB", "B"],
  pattern: /^([0-9]{1,15}) ?([KMGT]i?B|B)?$/,
  example: "a size such as 256MiB",
};

const DURATION: Unit = {
  factors: { ms: 1, s: SECOND, m: 60 * SECOND, h: 3_600 * SECOND, d: 86_400 * SECOND },
  written: ["d", "h", "m", "s", "ms"],
  pattern: /^([0-9]{1,12}) ?(ms|s|m|h|d)$/,
  example: "a duration such as 500ms, 10s, 5m, 2h or 1d",
};

/** In bytes; text such as `256MiB`. */
export const byteSize: z.ZodType<number, number | string> = measure(SIZE);

/** In milliseconds; text such as `10s`. */
const duration: z.ZodType<number, number | string> = measure(DURATION);

interface Range {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** A time span in milliseconds. */
export function durationField(doc: string, range: Range): Field<number> {
  const text = (value: number): string => written(DURATION, value);
  return { doc, default: range.default, schema: duration.pipe(within(range, text)), text };
}

/** A number of bytes. */
export function sizeField(doc: string, range: Range): Field<number> {
  const text = (value: number): string => written(SIZE, value);
  return { doc, default: range.default, schema: byteSize.pipe(within(range, text)), text };
}

/** A number, perhaps with a fraction. */
export function numberField(doc: string, range: Range): Field<number> {
  const schema = z
    .union([z.number(), z.string().regex(/^[0-9]{1,15}(\.[0-9]{1,9})?$/, "is not a number")])
    .transform(Number)
    .pipe(within(range, String));
  return { doc, default: range.default, schema, text: String };
}

/** One of some words. */
export function choiceField<const T extends string>(
  doc: string,
  choices: readonly T[],
  fallback: NoInfer<T>,
): Field<T> {
  const schema = z.enum(choices as readonly [T, ...T[]], {
    error: `is not one of ${choices.join(", ")}`,
  }) as unknown as Field<T>["schema"];
  return { doc, default: fallback, schema, text: (value) => value };
}

/** Free text, at most so many characters. */
export function textField(doc: string, lengthMax: number): Field<string> {
  const schema = z.string().max(lengthMax, { error: `is longer than ${lengthMax} characters` });
  return { doc, default: "", schema: schema as Field<string>["schema"], text: (value) => value };
}

/** `true` or `false`. */
export function flagField(doc: string, fallback: boolean): Field<boolean> {
  const schema = z
    .union([z.boolean(), z.enum(["true", "false"])], { error: "is neither true nor false" })
    .transform((value) => value === true || value === "true");
  return { doc, default: fallback, schema, text: String };
}

/** @throws LedgerError CONFIG_INVALID naming the field and what is wrong */
export function parseField<T>(name: string, field: Field<T>, input: unknown): T {
  const parsed = field.schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const reason = parsed.error.issues[0]?.message ?? "is wrong";
  const message = `${name} "${String(input).slice(0, 80)}" ${reason}`;
  throw new LedgerError("CONFIG_INVALID", message, { details: { field: name } });
}

function measure(unit: Unit): z.ZodType<number, number | string> {
  return z.union([z.number().int(), z.string()]).transform((value, context) => {
    if (typeof value === "number") return value;
    const match = unit.pattern.exec(value.trim());
    const factor = match === null ? undefined : unit.factors[match[2] ?? "B"];
    if (factor !== undefined) return Number(match![1]) * factor;
    context.addIssue({ code: "custom", message: `is not ${unit.example}` });
    return z.NEVER;
  });
}

function within({ min, max }: Range, text: (value: number) => string): z.ZodType<number, number> {
  const error = `is not between ${text(min)} and ${text(max)}`;
  return z.number().min(min, { error }).max(max, { error });
}

/** In the largest unit that it is a whole number of. */
function written({ written: units, factors }: Unit, value: number): string {
  const unit = units.find((name) => value !== 0 && value % factors[name]! === 0);
  const smallest = units[units.length - 1]!;
  return unit === undefined ? `${value}${smallest}` : `${value / factors[unit]!}${unit}`;
}
