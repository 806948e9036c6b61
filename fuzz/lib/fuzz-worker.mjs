// @ts-check
/** A thread with bounded memory that fuzzes one target after another, and is watched from outside while it does. */
import { Worker } from "node:worker_threads";

/** A worker that has not loaded the product by then never will. */
const LOAD_MS_MAX = 120_000;

export class FuzzWorker {
  #worker;
  #runMsMax;
  /** Why it died; it did so perhaps between two targets. @type {string | undefined} */
  #death;
  /** @type {(result: any) => void} */
  #settle = () => undefined;

  /**
   * @param {number} heapMibMax of JavaScript objects
   * @param {number} runMsMax a run that takes longer hangs
   * @param {URL} program what the thread runs
   */
  constructor(heapMibMax, runMsMax, program = new URL("../worker.mjs", import.meta.url)) {
    this.#runMsMax = runMsMax;
    this.#worker = new Worker(program, {
      resourceLimits: { maxOldGenerationSizeMb: heapMibMax },
    });
    this.#worker.on("message", (result) => this.#settle(result));
    this.#worker.on("error", (error) => this.#died(error.stack ?? error.message));
    this.#worker.on("exit", (code) => this.#died(`the worker ended with ${code}`));
  }

  /**
   * What came of a target: done, or a finding of which `shared` holds the input.
   *
   * @param {import("./shared-input.mjs").SharedInput} shared
   * @param {object} job
   * @returns {Promise<any>}
   */
  async fuzz(shared, job) {
    /** @type {NodeJS.Timeout | undefined} */
    let watch;
    const ended = new Promise((resolve) => {
      this.#settle = resolve;
      if (this.#death !== undefined) resolve({ kind: "finding", why: this.#death });
      watch = this.#watch(shared);
    });
    this.#worker.postMessage({ ...job, shared: shared.buffer });
    return ended.finally(() => clearInterval(watch));
  }

  /** @param {import("./shared-input.mjs").SharedInput} shared */
  #watch(shared) {
    let last = 0;
    let since = performance.now();
    return setInterval(() => {
      const { run } = shared;
      if (run !== last) [last, since] = [run, performance.now()];
      // Before the first run it loads what it fuzzes.
      const msMax = run === 0 ? LOAD_MS_MAX : this.#runMsMax;
      if (performance.now() - since < msMax) return;
      const what = run === 0 ? "the first run did not begin in" : "a run took more than";
      this.#settle({ kind: "finding", why: `${what} ${msMax / 1000} s` });
    }, 1_000);
  }

  /** @param {string} why */
  #died(why) {
    this.#death ??= why;
    this.#settle({ kind: "finding", why: this.#death });
  }

  end() {
    return this.#worker.terminate();
  }
}
