/** Times as people give them. */
import { parseExpiryMs, parseExpiryTime } from "../importers/ndjson/expiry.js";
import { usage } from "./settings.js";

/** An RFC 3339 time or milliseconds since 1970; 0 = never, the default. @throws LedgerError USAGE */
export function expiryOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const result = /^[0-9]+$/.test(text) ? parseExpiryMs(text) : parseExpiryTime(text);
  if (result.ok) return result.ms;
  throw usage(`--expires "${text}" ${result.reason}`);
}

/** An RFC 3339 time or milliseconds since 1970, of the past or not. @throws LedgerError USAGE */
export function timeOf(text: string, flag: string): number {
  const result = /^[0-9]+$/.test(text) ? parseExpiryMs(text) : parseExpiryTime(text);
  if (result.ok) return result.ms;
  throw usage(
    `--${flag} "${text}" is no time such as 2030-01-31T12:00:00Z, nor milliseconds since 1970`,
  );
}
