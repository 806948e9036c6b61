/**
 * The proleptic Gregorian calendar in UTC, by arithmetic alone: conditions must not see the machine's time zone, which
 * JavaScript's Date brings in.
 *
 * Source: days_from_civil and civil_from_days, H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
 */

export interface CivilDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

/** Days since 1970-01-01. */
export function daysFromCivil({ year, month, day }: CivilDate): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

export function civilFromDays(days: number): CivilDate {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  };
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Seconds since 1970 and nanoseconds, or undefined where the text is not RFC 3339. */
export function parseTimestamp(
  text: string,
): { readonly seconds: bigint; readonly nanos: number } | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as number[];
  const date = { year: year!, month: month!, day: day! };
  const days = daysFromCivil(date);
  const back = civilFromDays(days);
  const isDate = back.month === date.month && back.day === date.day && date.month <= 12;
  const offsetHours = Number(match[9] ?? 0);
  const offsetMinutes = Number(match[10] ?? 0);
  if (!isDate || hour! > 23 || minute! > 59 || second! > 59) return undefined;
  if (offsetHours > 23 || offsetMinutes > 59) return undefined;
  const offset = (offsetHours * 60 + offsetMinutes) * (match[8] === "-" ? -60 : 60);
  const nanos = Number((match[7] ?? "").slice(0, 9).padEnd(9, "0"));
  const seconds = days * 86_400 + hour! * 3_600 + minute! * 60 + second! - offset;
  return { seconds: BigInt(seconds), nanos };
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  "\u00b5s": 1_000n,
  "\u03bcs": 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const PART = /(\d{0,20})(?:\.(\d{0,20}))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;
const INT64_MAX = (1n << 63n) - 1n;

/** Nanoseconds of a duration as Go writes them ("1h30m", "-1.5s", "0"), or undefined. */
export function parseDuration(text: string): bigint | undefined {
  const isNegative = text.startsWith("-");
  const rest = isNegative || text.startsWith("+") ? text.slice(1) : text;
  if (rest === "0") return 0n;
  if (rest === "" || rest.length > 200) return undefined;
  let sum = 0n;
  PART.lastIndex = 0;
  while (PART.lastIndex < rest.length) {
    const match = PART.exec(rest);
    if (match === null) return undefined;
    const whole = match[1] ?? "";
    const fraction = match[2] ?? "";
    if (whole === "" && fraction === "") return undefined;
    const unit = UNITS[match[3]!]!;
    sum += BigInt(whole || "0") * unit;
    sum += (BigInt(fraction || "0") * unit) / 10n ** BigInt(fraction.length);
  }
  if (sum > INT64_MAX) return undefined;
  return isNegative ? -sum : sum;
}
