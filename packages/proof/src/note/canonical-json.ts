/**
 * JSON texts that have exactly one form: no white space, keys in the order of the format, no other keys. A
 * text is read into its value, written again and compared, so that equal values are equal bytes and nothing
 * that a reader would skip can hide in one (unknown or doubled keys, other spellings of a number or string).
 */
import { type RejectReason, reject } from "../rejection.js";

/** The fields of an object that nobody has checked. */
export type UncheckedFields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is UncheckedFields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws LedgerError PROOF_INVALID with the reason, when the text is not a JSON object */
export function parseFields(text: string | undefined, reason: RejectReason): UncheckedFields {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (isFields(value)) return value;
  } catch {
    // Reported below, like every other text that is not an object.
  }
  throw reject(reason, `the ${reason} is not a JSON object`);
}

/** @throws LedgerError PROOF_INVALID when `given` is not the one form of what it says */
export function requireCanonical(given: string, canonical: string, reason: RejectReason): void {
  if (given === canonical) return;
  throw reject(reason, `the ${reason} is not in canonical form: keys, their order or spacing`);
}

/** A whole number in [min, 2^53). */
export function integerField(
  fields: UncheckedFields,
  name: string,
  { min, reason }: { readonly min: number; readonly reason: RejectReason },
): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min) return value;
  throw reject(reason, `"${name}" of the ${reason} is a whole number from ${min}`);
}

export function textField(fields: UncheckedFields, name: string, reason: RejectReason): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw reject(reason, `"${name}" of the ${reason} is a text`);
}
