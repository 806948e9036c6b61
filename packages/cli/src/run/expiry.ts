/** Expiry times as people give them. */
import { parseExpiryMs, parseExpiryTime } from "../importers/ndjson/expiry.js";
import { usage } from "./settings.js";

/** An RFC 3339 time or milliseconds since 1970; 0 = never, the default. @throws LedgerError USAGE */
export function expiryOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const result = /^[0-9]+$/.test(text) ? parseExpiryMs(text) : parseExpiryTime(text);
  if (result.ok) return result.ms;
  throw usage(`--expires "${text}" ${result.reason}`);
}
