/**
 * Calls that were refused since their caller was not let in, counted by principal, method and reason, so that whoever knocks
 * a thousand times a second fills neither the ledger nor memory.
 *
 *   INV-TRAIL-2  Each refused call is counted in one summary, and a minute has at most REFUSALS_MAX and one of them.
 */
import type { AuditRecord } from "./audit-record.js";

/** Summaries of one minute; all refusals beyond them share one more. */
export const REFUSALS_MAX = 256;
const OTHERS = "others";

export class Refusals {
  #summaries = new Map<string, AuditRecord>();

  add(record: AuditRecord): void {
    const own = `${record.actor} ${record.action} ${record.code}`;
    const isKnown = this.#summaries.has(own) || this.#summaries.size < REFUSALS_MAX;
    const key = isKnown ? own : OTHERS;
    const known = this.#summaries.get(key);
    const { timeMs: untilMs } = record;
    if (known !== undefined) {
      this.#summaries.set(key, { ...known, count: known.count! + 1, untilMs });
      return;
    }
    const first = isKnown ? record : { ...record, actor: OTHERS, action: OTHERS, resource: {} };
    this.#summaries.set(key, { ...first, count: 1, untilMs });
  }

  /** The summaries so far; counting begins anew. */
  take(): AuditRecord[] {
    const taken = [...this.#summaries.values()];
    this.#summaries.clear();
    return taken;
  }

  /** Those that could not be written are counted on. */
  giveBack(records: readonly AuditRecord[]): void {
    const since = this.#summaries;
    this.#summaries = new Map();
    for (const record of [...records, ...since.values()]) {
      const key = `${record.actor} ${record.action} ${record.code}`;
      const known = this.#summaries.get(key);
      if (known === undefined && this.#summaries.size > REFUSALS_MAX) {
        this.lost += record.count ?? 1;
        continue;
      }
      const count = (known?.count ?? 0) + (record.count ?? 1);
      this.#summaries.set(key, { ...(known ?? record), count, untilMs: record.untilMs! });
    }
  }

  /** Refusals that no summary tells of, since too many could not be written for too long. */
  lost = 0;
}
