/** Writes down what clients ask and are answered, as it happens; gives the history when all is over. */
import type { Operation } from "./record.js";

/** What is known when an operation is asked. */
export type Question = Omit<Operation, "call" | "ret" | "ok" | "out">;

/** What is known when it is answered. */
type Answer = Pick<Operation, "ok" | "out"> &
  Partial<Pick<Operation, "index" | "height" | "root" | "proof">>;

/** Answers one operation; without a call the operation stays without an answer. */
export type Answered = (answer: Answer) => void;

export class HistoryRecorder {
  readonly #now: () => number;
  readonly #operations: Operation[] = [];

  /** @param now one monotonic clock for all clients, in any unit */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes that something is asked now. */
  ask(question: Question): Answered {
    const asked: Operation = { ...question, call: this.#now(), ret: null, ok: null, out: null };
    const place = this.#operations.push(asked) - 1;
    return (answer) => {
      this.#operations[place] = { ...asked, ...answer, ret: this.#now() };
    };
  }

  get operations(): readonly Operation[] {
    return this.#operations;
  }
}
