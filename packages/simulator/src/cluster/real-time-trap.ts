/**
 * Stops code that asks for real time, real timers or real randomness while virtual time runs: a run that it decides could
 * not be repeated from its seed (simulation.md, "What breaks determinism in Node").
 *
 *   INV-SIM-29  Nothing in a simulated run calls Date.now, performance.now, Math.random, setTimeout or setInterval.
 */

interface Trapped {
  readonly on: object;
  readonly name: string;
}

const TRAPPED: readonly Trapped[] = [
  { on: Date, name: "now" },
  { on: performance, name: "now" },
  { on: Math, name: "random" },
  { on: globalThis, name: "setTimeout" },
  { on: globalThis, name: "setInterval" },
];

/** Runs something with the trap set. @throws Error INV-SIM-29 out of whatever calls what is trapped */
export async function withoutRealTime<T>(run: () => Promise<T>): Promise<T> {
  const before = TRAPPED.map(({ on, name }) => Object.getOwnPropertyDescriptor(on, name));
  for (const { on, name } of TRAPPED) {
    const value = (): never => {
      throw new Error(`INV-SIM-29: ${name} was called while virtual time runs`);
    };
    Object.defineProperty(on, name, { value, configurable: true, writable: true });
  }
  try {
    return await run();
  } finally {
    TRAPPED.forEach(({ on, name }, i) => {
      const own = before[i];
      if (own === undefined) Reflect.deleteProperty(on, name);
      else Object.defineProperty(on, name, own);
    });
  }
}
