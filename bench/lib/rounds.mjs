/**
 * Comparison of several contestants under equal circumstances. Each is a process of its own, so that none warms up,
 * pollutes or collects garbage for another; they are asked in rounds that begin with another one each time, and what
 * is reported are medians of the rounds and of the ratios within a round.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { spread } from "./pairs.mjs";
import { progress } from "./report.mjs";

const HOST = fileURLToPath(new URL("contestant-host.mjs", import.meta.url));

/**
 * @typedef {{
 *   readonly operations: number,
 *   readonly seconds: number,
 *   readonly cpuSeconds: number,
 *   readonly extra: unknown,
 * }} Measured what a contestant did in one go: its own count, wall time and CPU time of all its threads
 */

/** @typedef {{ readonly name: string, call(method: string, ...args: unknown[]): Promise<Measured>, end(): Promise<void> }} Contestant */

/**
 * Starts a process that offers the functions of a module.
 *
 * @param {string} name
 * @param {URL} module which exports `create(...args)`, an object of functions
 * @param {readonly unknown[]} args of `create`
 * @returns {Promise<Contestant>}
 */
export async function startContestant(name, module, args) {
  const child = fork(HOST, [module.href], { serialization: "advanced" });
  const leave = () => child.kill("SIGKILL");
  process.on("exit", leave);
  /** @type {(method: string, ...given: unknown[]) => Promise<Measured>} */
  const call = (method, ...given) =>
    new Promise((resolve, reject) => {
      /** @param {unknown} code */
      const onExit = (code) => reject(new Error(`${name} ended with ${code} during ${method}`));
      child.once("exit", onExit);
      child.once("message", (/** @type {any} */ { error, measured }) => {
        child.off("exit", onExit);
        if (error === undefined) resolve(measured);
        else reject(new Error(`${name}, ${method}: ${error}`));
      });
      child.send({ method, args: given });
    });
  await call("create", ...args);
  return {
    name,
    call,
    end: async () => {
      await call("close");
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.disconnect();
      await exited;
      process.off("exit", leave);
    },
  };
}

/**
 * Asks all contestants the same thing in `rounds` rounds; round i begins with contestant i.
 *
 * @param {readonly Contestant[]} contestants
 * @param {number} rounds
 * @param {string} method
 * @param {(round: number, name: string) => readonly unknown[]} argsOf
 * @returns {Promise<Map<string, Measured[]>>} by the contestant's name, in the order of the rounds
 */
export async function inRounds(contestants, rounds, method, argsOf) {
  /** @type {Map<string, Measured[]>} */
  const results = new Map(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contestants.length; i++) {
      const contestant = contestants[(round + i) % contestants.length];
      if (contestant === undefined) continue;
      const measured = await contestant.call(method, ...argsOf(round, contestant.name));
      results.get(contestant.name)?.push(measured);
    }
  }
  return results;
}

/** Operations a second. @param {Measured} measured */
export function rateOf({ operations, seconds }) {
  return operations / seconds;
}

/** Microseconds of CPU for an operation. @param {Measured} measured */
export function cpuOf({ operations, cpuSeconds }) {
  return (cpuSeconds * 1e6) / operations;
}

/**
 * Spread of a / b over the rounds.
 *
 * @param {readonly Measured[]} a
 * @param {readonly Measured[]} b
 */
export function rateRatio(a, b) {
  return spread(a.map((own, round) => rateOf(own) / rateOf(/** @type {Measured} */ (b[round]))));
}

/** @param {string} what @param {ReadonlyMap<string, readonly Measured[]>} results */
export function showRates(what, results) {
  const rates = [...results].map(
    ([name, of]) => `${name} ${Math.round(spread(of.map(rateOf)).median).toLocaleString("en-US")}`,
  );
  progress(`${what}, per second: ${rates.join(", ")}`);
}
