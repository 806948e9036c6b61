/**
 * Functions of conditions beyond CEL's own: addresses, and those of the library that must be replaced.
 *
 * - Parts of a timestamp (`getHours()`) are UTC by arithmetic. The library goes through Date in the machine's time zone,
 *   where hours are missing on the day that the clocks go forward.
 * - `timestamp(int)` counts seconds, as the language says; the library counts milliseconds.
 * - Lists are joined by copying. The library keeps a chain, which a macro makes as deep as a list is long.
 */
import {
  type CelFunc,
  type CelInput,
  CelScalar,
  celFunc,
  celList,
  celMethod,
  listType,
  objectType,
} from "@bufbuild/cel";
import { civilFromDays, daysFromCivil } from "./civil-time.js";
import { formatIpAddress, isInNetwork, parseIpAddress } from "./ip-address.js";

const { STRING, INT, BOOL, DYN } = CelScalar;
const TIMESTAMP = objectType("google.protobuf.Timestamp");
const LIST = listType(DYN);
const SECONDS_PER_DAY = 86_400;

interface Moment {
  readonly days: number;
  readonly secondOfDay: number;
  readonly nanos: number;
}

const PARTS: Readonly<Record<string, (moment: Moment) => number>> = {
  getFullYear: ({ days }) => civilFromDays(days).year,
  getMonth: ({ days }) => civilFromDays(days).month - 1,
  getDate: ({ days }) => civilFromDays(days).day,
  getDayOfMonth: ({ days }) => civilFromDays(days).day - 1,
  getDayOfWeek: ({ days }) => (((days + 4) % 7) + 7) % 7,
  getDayOfYear: ({ days }) => days - daysFromCivil({ ...civilFromDays(days), month: 1, day: 1 }),
  getHours: ({ secondOfDay }) => Math.floor(secondOfDay / 3_600),
  getMinutes: ({ secondOfDay }) => Math.floor(secondOfDay / 60) % 60,
  getSeconds: ({ secondOfDay }) => secondOfDay % 60,
  getMilliseconds: ({ nanos }) => Math.floor(nanos / 1_000_000),
};

/** Functions that take a time zone when they are given an argument. */
export const ZONED_FUNCTIONS: ReadonlySet<string> = new Set(Object.keys(PARTS));

/** All of them, for the environment of every condition. */
export function conditionFunctions(): CelFunc[] {
  return [
    celMethod("in_cidr", STRING, [STRING], BOOL, function (network) {
      const address = parseIpAddress(this);
      if (address === undefined) throw new Error(`"${this}" is not an IP address`);
      const isIn = isInNetwork(address, network);
      if (isIn === undefined) throw new Error(`"${network}" is not a network in CIDR notation`);
      return isIn;
    }),
    celFunc("ipaddress", [STRING], STRING, (text) => {
      const address = parseIpAddress(text);
      if (address === undefined) throw new Error(`"${text}" is not an IP address`);
      return formatIpAddress(address);
    }),
    celFunc("timestamp", [INT], TIMESTAMP, (seconds) => timestamp(seconds)),
    celFunc("_+_", [LIST, LIST], LIST, (a, b) => celList([...a, ...b])),
    ...Object.entries(PARTS).flatMap(([name, part]) => [
      celMethod(name, TIMESTAMP, [], INT, function () {
        return BigInt(part(momentOf(this.message as unknown as TimestampFields)));
      }),
      celMethod(name, TIMESTAMP, [STRING], INT, () => {
        throw new Error(`${name} with a time zone is not part of conditions`);
      }),
    ]),
  ];
}

interface TimestampFields {
  readonly seconds: bigint;
  readonly nanos: number;
}

function momentOf({ seconds, nanos }: TimestampFields): Moment {
  const all = Number(seconds);
  const days = Math.floor(all / SECONDS_PER_DAY);
  return { days, secondOfDay: all - days * SECONDS_PER_DAY, nanos };
}

function timestamp(seconds: bigint): CelInput<typeof TIMESTAMP> {
  return { $typeName: "google.protobuf.Timestamp", seconds, nanos: 0 } as unknown as CelInput<
    typeof TIMESTAMP
  >;
}
