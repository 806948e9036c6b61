/** Where a log changes the configuration. */
import { isConfigurationChange } from "./configuration-codec.js";
import type { LogView } from "./log-view.js";

/** Read at a time. */
const SCAN_BYTES = 1024 * 1024;

/** The last change of the configuration among the entries from `from` to `to`; 0 if there is none. */
export function lastChangeWithin(log: LogView, from: number, to: number): number {
  let found = 0;
  let at = from;
  while (at <= to) {
    const entries = log.entries(at, to + 1, SCAN_BYTES);
    for (const { index, payload } of entries) if (isConfigurationChange(payload)) found = index;
    at += entries.length;
  }
  return found;
}
