/** The other ports to the outside world. Everything below the engine gets them through its constructor. */

export interface Clock {
  /** Wall time in milliseconds since 1970; may jump. */
  nowMs(): number;
  /** Milliseconds since some start; never goes back. */
  monotonicMs(): number;
}

export interface Random {
  /** `length` bytes that nobody can guess (or, seeded, that repeat). */
  bytes(length: number): Uint8Array;
}

export interface Timers {
  /** Calls `run` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
  /** Lets everything else that is ready run first. */
  yield(): Promise<void>;
}
