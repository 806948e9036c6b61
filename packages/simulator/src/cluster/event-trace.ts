/**
 * What happened in a run, one line per event: hashed as it goes, so that two runs can be told apart by one number; the newest
 * lines are kept for whoever has to find out why a run failed.
 */

/** Lines kept; a failure is explained by what came just before it. */
const KEPT = 2_000;

export class EventTrace {
  readonly #now: () => number;
  readonly #print: ((line: string) => void) | undefined;
  readonly #kept: string[] = [];
  #next = 0;
  #hash = 0x811c9dc5;
  #events = 0;

  /** @param print is given every line as it happens */
  constructor(now: () => number, print?: (line: string) => void) {
    this.#now = now;
    this.#print = print;
  }

  /** Events so far. */
  get events(): number {
    return this.#events;
  }

  /** Of all lines so far, 8 hex digits (FNV-1a). */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  note(who: string, what: string): void {
    const line = `${this.#now().toFixed(3)} ${who} ${what}`;
    this.#events++;
    let hash = this.#hash;
    for (let i = 0; i < line.length; i++) hash = Math.imul(hash ^ line.charCodeAt(i), 0x01000193);
    this.#hash = hash;
    this.#kept[this.#next] = line;
    this.#next = (this.#next + 1) % KEPT;
    this.#print?.(line);
  }

  /** The newest lines, oldest first. */
  newest(count: number): string[] {
    const inOrder = [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)];
    return inOrder.slice(-count);
  }
}
