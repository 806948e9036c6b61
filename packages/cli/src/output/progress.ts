/** Progress on a terminal: from one second on, at most ten times a second, with rate and remaining time. */

const FIRST_MS = 1_000;
const INTERVAL_MS = 100;
/** Erases the line that the cursor is in. */
const ERASE = "\r\u001b[K";

export interface ProgressDeps {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  readonly nowMs: () => number;
}

export class Progress {
  readonly #deps: ProgressDeps;
  readonly #startMs: number;
  #drawnMs = 0;
  #isDrawn = false;

  constructor(deps: ProgressDeps) {
    this.#deps = deps;
    this.#startMs = deps.nowMs();
  }

  /** `total` is an estimate; undefined when nobody knows. */
  update(done: number, total: number | undefined): void {
    const now = this.#deps.nowMs();
    const isDue = now - this.#startMs >= FIRST_MS && now - this.#drawnMs >= INTERVAL_MS;
    if (!this.#deps.isTerminal || !isDue) return;
    this.#drawnMs = now;
    this.#isDrawn = true;
    this.#deps.write(ERASE + progressText(done, total, now - this.#startMs));
  }

  /** Removes the line, so that something else can be written. */
  clear(): void {
    if (this.#isDrawn) this.#deps.write(ERASE);
    this.#isDrawn = false;
    this.#drawnMs = 0;
  }
}

/** @example progressText(5_000, 10_000, 2_000) // "5,000 of about 10,000 (50 %)  2,500/s  2 s left" */
export function progressText(done: number, total: number | undefined, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  const speed = `${formatCount(Math.round(rate))}/s`;
  if (total === undefined || total < done) return `${formatCount(done)}  ${speed}`;
  const percent = total === 0 ? 100 : Math.floor((done * 100) / total);
  const left = rate > 0 ? `  ${formatSeconds((total - done) / rate)} left` : "";
  return `${formatCount(done)} of about ${formatCount(total)} (${percent} %)  ${speed}${left}`;
}

export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 90) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 90) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
