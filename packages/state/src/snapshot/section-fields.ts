/**
 * The JSON sections of a snapshot, read field by field: whoever made the file may have written anything into them, with
 * checks that are right.
 */
import { decodeUtf8, fromHex, LedgerError, toHex } from "@authledger/types";

const SLUG = /^(0|[1-9][0-9]{0,19})$/;
const TEXT_CHARACTERS_MAX = 1_024;

/** An object whose fields are all known, and each of its kind. */
export class SectionFields {
  readonly #what: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  private constructor(what: string, value: unknown, names: readonly string[]) {
    this.#what = what;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#wrong("is not a JSON object");
    }
    this.#fields = value as Readonly<Record<string, unknown>>;
    const unknown = Object.keys(value).find((name) => !names.includes(name));
    if (unknown !== undefined) throw this.#wrong(`has the unknown field "${unknown.slice(0, 80)}"`);
  }

  /** @throws LedgerError CODEC_DECODE unless the bytes are a JSON object with no other fields */
  static parse(what: string, bytes: Uint8Array, names: readonly string[]): SectionFields {
    let value: unknown;
    try {
      value = JSON.parse(decodeUtf8(bytes) ?? "");
    } catch {
      // Not an object either.
    }
    return new SectionFields(what, value, names);
  }

  /** An object in a field. */
  within(name: string, names: readonly string[]): SectionFields {
    return new SectionFields(name, this.#fields[name], names);
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  /** A whole number in [0, 2^53). */
  integer(name: string): number {
    const value = this.#fields[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.#wrong(`has no whole number "${name}"`);
  }

  text(name: string): string {
    const value = this.#fields[name];
    if (typeof value === "string" && value.length <= TEXT_CHARACTERS_MAX) return value;
    throw this.#wrong(`has no text "${name}"`);
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const value = this.text(name);
    const known = values.find((one) => one === value);
    if (known !== undefined) return known;
    throw this.#wrong(`has the ${name} "${value.slice(0, 80)}"`);
  }

  boolean(name: string): boolean {
    const value = this.#fields[name];
    if (typeof value === "boolean") return value;
    throw this.#wrong(`has no "${name}" that is true or false`);
  }

  /** An unsigned number of 64 bits, as decimal text. */
  slug(name: string): bigint {
    const value = this.text(name);
    const number = SLUG.test(value) ? BigInt(value) : 2n ** 64n;
    if (number < 2n ** 64n) return number;
    throw this.#wrong(`has no slug "${name}"`);
  }

  /** 32 bytes as lower-case hex digits. */
  hash(name: string): Uint8Array {
    const value = this.text(name);
    const bytes = /^[0-9a-f]{64}$/.test(value) ? fromHex(value) : undefined;
    if (bytes !== undefined && toHex(bytes) === value) return bytes;
    throw this.#wrong(`has no 64 hex digits "${name}"`);
  }

  #wrong(why: string): LedgerError {
    return new LedgerError("CODEC_DECODE", `the ${this.#what} ${why}`);
  }
}
