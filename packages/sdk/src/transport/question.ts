/**
 * What a client asks functions of its program: for a token, for endpoints. Many calls share one question. Nobody can be
 * made to answer, so a question that hangs is given up after a while, and whoever needs an answer then asks anew.
 */
import { type Ports, pause } from "./ports.js";

const HANGS_MS = 10_000;

export class Question<T> {
  readonly #nowMs: () => number;
  #asked: { readonly answer: Promise<T>; readonly atMs: number } | undefined;
  #count = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * The answer to the question that is open, or to a new one.
   * @param make is told how to find out whether a newer question was asked meanwhile
   */
  ask(make: (isNewest: () => boolean) => Promise<T>): Promise<T> {
    const nowMs = this.#nowMs();
    if (this.#asked !== undefined && nowMs < this.#asked.atMs + HANGS_MS) return this.#asked.answer;
    const number = ++this.#count;
    const isNewest = (): boolean => number === this.#count;
    const answer = make(isNewest).finally(() => {
      if (isNewest()) this.#asked = undefined;
    });
    this.#asked = { answer, atMs: nowMs };
    return answer;
  }
}

/** Waits for an answer no longer than so long, or until the signal. Undefined: it has not come. */
export async function answerWithin<T>(
  ports: Pick<Ports, "after">,
  asked: Promise<T>,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly answer: T } | undefined> {
  const answered = new AbortController();
  const signals = signal === undefined ? [answered.signal] : [answered.signal, signal];
  const over = pause(ports, Math.max(0, ms), AbortSignal.any(signals)).then(() => undefined);
  try {
    return await Promise.race([asked.then((answer) => ({ answer })), over]);
  } finally {
    answered.abort();
  }
}
