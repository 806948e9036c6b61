/**
 * Bounds what a condition may cost, in steps that are the same on every machine: one for each node of the expression,
 * once for each round of a macro, and for functions more by the size of what they are given. A condition over its limit
 * fails; it never answers differently.
 *
 * INV-MODEL-4  A condition takes at most CONDITION_STEPS_MAX steps, whatever its expression and its parameters are.
 */
import { type CelEnv, isCelError, isCelList, isCelMap } from "@bufbuild/cel";

/** Steps of one evaluation; `exists` over a list of 1,000 texts takes about 12,000. */
const CONDITION_STEPS_MAX: number = 50_000;

/** The function that a macro calls before each round, put there by `meterMacros`. */
export const STEP_FUNCTION = "@step";

/** Texts and lists cost a step for so many characters or elements. */
const BYTES_PER_STEP = 16;
/** An error is an object with a stack trace, and macros may swallow one each round. */
const ERROR_STEPS = 20;
const DEEP: ReadonlySet<string> = new Set(["_==_", "_!=_", "@in"]);

export class StepMeter {
  #left = 0;

  /** True from the step on that was one too many. */
  get isExhausted(): boolean {
    return this.#left < 0;
  }

  start(): void {
    this.#left = CONDITION_STEPS_MAX;
  }

  /** @throws Error when the steps are used up */
  charge(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new Error(`takes more than ${CONDITION_STEPS_MAX} steps`);
  }

  /** What `name` costs for these values. */
  chargeCall(name: string, values: readonly unknown[]): void {
    this.charge(1);
    const texts: number[] = [];
    for (const value of values) {
      if (DEEP.has(name)) this.#chargeDeep(value);
      else texts.push(sizeOf(value));
    }
    // A regular expression may look at each character once for each of its own.
    if (name === "matches") this.charge(texts.reduce((product, n) => product * (n + 1), 1));
    else this.charge(texts.reduce((sum, n) => sum + n, 0));
  }

  #chargeDeep(value: unknown): void {
    this.charge(1 + (typeof value === "object" ? 0 : sizeOf(value)));
    if (typeof value !== "object" || value === null) return;
    if (isCelList(value)) for (const item of value) this.#chargeDeep(item);
    else if (isCelMap(value)) for (const [, item] of value) this.#chargeDeep(item);
  }
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return Math.floor(value.length / BYTES_PER_STEP);
  if (value instanceof Uint8Array) return Math.floor(value.length / BYTES_PER_STEP);
  if (typeof value !== "object" || value === null) return 0;
  return isCelList(value) || isCelMap(value) ? Math.floor(value.size / BYTES_PER_STEP) : 0;
}

type Functions = CelEnv["funcs"];
type Callable = NonNullable<ReturnType<Functions["find"]>>;

/** The same environment, whose functions charge the meter before they run. */
export function meteredEnvironment<E extends CelEnv>(env: E, meter: StepMeter): E {
  const funcs: Functions = Object.create(env.funcs, {
    find: {
      value: (name: string): Callable | undefined =>
        name === STEP_FUNCTION ? stepFunction(meter) : metered(name, env.funcs.find(name), meter),
    },
  });
  return Object.create(env, { funcs: { value: funcs } });
}

function metered(
  name: string,
  inner: Callable | undefined,
  meter: StepMeter,
): Callable | undefined {
  if (inner === undefined) return undefined;
  const call: Callable["call"] = (id, target, args) => {
    meter.chargeCall(name, target === undefined ? args : [target, ...args]);
    const result = inner.call(id, target, args);
    if (result === undefined || isCelError(result)) meter.charge(ERROR_STEPS);
    return result;
  };
  return Object.create(inner, { call: { value: call } });
}

/** `@step(condition of the loop, steps of a round)` is the condition. */
function stepFunction(meter: StepMeter): Callable {
  const call: Callable["call"] = (_id, _target, [condition, steps]) => {
    meter.charge(Number(steps));
    return condition;
  };
  return { call } as unknown as Callable;
}
