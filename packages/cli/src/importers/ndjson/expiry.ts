/**
 * The expiry of a line: `expires_at_ms` (milliseconds since 1970, 0 = never) or `expires_at` (RFC 3339).
 *
 * A time of day must never come out as 0, which would turn "expired long ago" into "never expires". Fractions
 * beyond the millisecond are cut: what a permission loses is less than what it would gain by rounding up.
 */
import { limits } from "@authledger/types";

export type ExpiryResult =
  | { readonly ok: true; readonly ms: number }
  | { readonly ok: false; readonly reason: string };

/** RFC 3339 section 5.6, date-time; "T" and "Z" in either case. */
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Reads `expires_at_ms`: an integer as number or as decimal string (what JavaScript writes for 64 bits). */
export function parseExpiryMs(value: unknown): ExpiryResult {
  const isDecimal = typeof value === "string" && /^(?:0|[1-9]\d{0,15})$/.test(value);
  const ms = isDecimal ? Number(value) : value;
  if (typeof ms !== "number" || !Number.isInteger(ms) || ms < 0 || ms > limits.EXPIRY_MS_MAX) {
    const range = `0 to ${limits.EXPIRY_MS_MAX}`;
    return refuse(`expires_at_ms must be an integer from ${range}, as number or decimal string`);
  }
  return { ok: true, ms: ms + 0 }; // -0 becomes 0
}

/** @example parseExpiryTime("2030-01-01T00:00:00Z") // { ok: true, ms: 1893456000000 } */
export function parseExpiryTime(value: unknown): ExpiryResult {
  const match = typeof value === "string" ? DATE_TIME.exec(value) : null;
  if (match === null) {
    return refuse("expires_at must be an RFC 3339 time such as 2030-01-31T12:00:00Z");
  }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as SixNumbers;
  const offsetHour = Number(match[9] ?? 0);
  const offsetMinute = Number(match[10] ?? 0);
  if (second === 60) return refuse("expires_at is a leap second; give the second before it");
  if (!isDate(year, month, day) || hour > 23 || minute > 59 || second > 59) {
    return refuse("expires_at is not a date and time that exist");
  }
  if (offsetHour > 23 || offsetMinute > 59) return refuse("expires_at has an impossible offset");
  const sign = match[8] === "-" ? -1 : 1;
  const fractionMs = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second, fractionMs);
  const ms = localMs - sign * (offsetHour * 60 + offsetMinute) * 60_000;
  if (year < 1969 || ms < 1) return refuse("expires_at is not after 1970-01-01T00:00:00Z");
  return { ok: true, ms };
}

type SixNumbers = [number, number, number, number, number, number];

/** Is it a day of the Gregorian calendar? Date rolls 30 February over into March, which shows. */
function isDate(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month - 1, day); // unlike Date.UTC takes years below 100 as they are
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function refuse(reason: string): ExpiryResult {
  return { ok: false, reason };
}
