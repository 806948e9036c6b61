/**
 * Turns the JSON value of a parameter into a value of CEL, as OpenFGA does: whole numbers may come as a number or as a
 * text, times and addresses come as texts, and nothing is guessed. Null is a value of no type but `any`'s elements.
 */
import { type CelInput, celUint } from "@bufbuild/cel";
import type { ParameterType } from "../model/model.js";
import { parseDuration, parseTimestamp } from "./civil-time.js";
import type { JsonValue } from "./context.js";
import { formatIpAddress, parseIpAddress } from "./ip-address.js";

/** Arrays and objects within each other. */
const JSON_DEPTH_MAX = 64;

/** Why a value is not of its type; caught where the condition is evaluated. */
export class WrongValue extends Error {}

const INT64_MIN = -(1n << 63n);
const INT64_MAX = (1n << 63n) - 1n;
const UINT64_MAX = (1n << 64n) - 1n;
const SECOND = 1_000_000_000n;

/** @throws WrongValue */
export function celValueOf(value: JsonValue, type: ParameterType): CelInput {
  if (value === null) throw new WrongValue(`is null; ${nameOfType(type)} is expected`);
  if (typeof type === "object") {
    return "list" in type ? listOf(value, type.list) : mapOf(value, type.map);
  }
  switch (type) {
    case "any":
      return anyOf(value, 0);
    case "bool":
      if (typeof value === "boolean") return value;
      break;
    case "string":
      if (typeof value === "string") return value;
      break;
    case "int": {
      const whole = wholeOf(value);
      if (whole !== undefined && whole >= INT64_MIN && whole <= INT64_MAX) return whole;
      break;
    }
    case "uint": {
      const whole = wholeOf(value);
      if (whole !== undefined && whole >= 0n && whole <= UINT64_MAX) return celUint(whole);
      break;
    }
    case "double": {
      const number = doubleOf(value);
      if (number !== undefined) return number;
      break;
    }
    default:
      return fromText(value, type);
  }
  throw wrong(value, type);
}

/** `list<int>`, as OpenFGA writes it. */
export function nameOfType(type: ParameterType): string {
  if (typeof type === "string") return type;
  return "list" in type ? `list<${nameOfType(type.list)}>` : `map<${nameOfType(type.map)}>`;
}

function fromText(value: JsonValue, type: "duration" | "timestamp" | "ipaddress"): CelInput {
  if (typeof value !== "string") throw wrong(value, type);
  switch (type) {
    case "duration": {
      const nanos = parseDuration(value);
      if (nanos === undefined) break;
      return {
        $typeName: "google.protobuf.Duration",
        seconds: nanos / SECOND,
        nanos: Number(nanos % SECOND),
      } as CelInput;
    }
    case "timestamp": {
      const time = parseTimestamp(value);
      if (time === undefined) break;
      return { $typeName: "google.protobuf.Timestamp", ...time } as CelInput;
    }
    case "ipaddress": {
      const address = parseIpAddress(value);
      if (address === undefined) break;
      return formatIpAddress(address);
    }
  }
  throw wrong(value, type);
}

function listOf(value: JsonValue, element: ParameterType): CelInput {
  if (!Array.isArray(value)) throw wrong(value, { list: element });
  return value.map((item: JsonValue) => celValueOf(item, element)) as CelInput;
}

function mapOf(value: JsonValue, element: ParameterType): CelInput {
  if (!isObject(value)) throw wrong(value, { map: element });
  return new Map(
    Object.entries(value).map(([key, item]) => [key, celValueOf(item, element)]),
  ) as CelInput;
}

/** What JSON says by itself: numbers are doubles. */
function anyOf(value: JsonValue, depth: number): CelInput {
  if (depth > JSON_DEPTH_MAX) throw new WrongValue(`nests deeper than ${JSON_DEPTH_MAX}`);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    return value.map((item: JsonValue) => anyOf(item, depth + 1)) as CelInput;
  }
  return new Map(
    Object.entries(value).map(([key, item]) => [key, anyOf(item as JsonValue, depth + 1)]),
  ) as CelInput;
}

function isObject(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;
/** Digits of a number that is given as a text: more cannot be a value of 64 bits. */
const NUMBER_CHARACTERS_MAX = 400;

/** A whole number: `3`, `3.0`, `"3"`, `"3e2"`; undefined for everything else. */
function wholeOf(value: JsonValue): bigint | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== "string" || value.length > NUMBER_CHARACTERS_MAX) return undefined;
  const match = DECIMAL.exec(value);
  if (match === null) return undefined;
  const fraction = (match[3] ?? "").replace(/0+$/, "");
  const digits = (match[2] ?? "") + fraction;
  if ((match[2] ?? "") + (match[3] ?? "") === "") return undefined;
  const exponent = Number(match[4] ?? 0) - fraction.length;
  const sign = match[1] === "-" ? -1n : 1n;
  const mantissa = sign * BigInt(digits === "" ? "0" : digits);
  if (mantissa === 0n) return 0n;
  if (Math.abs(exponent) > NUMBER_CHARACTERS_MAX) return undefined;
  if (exponent >= 0) return mantissa * 10n ** BigInt(exponent);
  const divisor = 10n ** BigInt(-exponent);
  return mantissa % divisor === 0n ? mantissa / divisor : undefined;
}

function doubleOf(value: JsonValue): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string" || value.length > NUMBER_CHARACTERS_MAX) return undefined;
  const match = DECIMAL.exec(value);
  if (match === null || (match[2] ?? "") + (match[3] ?? "") === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

function wrong(value: JsonValue, type: ParameterType): WrongValue {
  const text = JSON.stringify(value) ?? "";
  const shown = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return new WrongValue(`is ${shown}, which is not of type ${nameOfType(type)}`);
}
