/**
 * Which of the many chances for a fault become one.
 *
 * Each chance has a name: its kind and its number among its kind. Whether it strikes is a hash of the seed and the
 * name, so that taking one fault out of a run leaves the decisions on all others as they were. The minimizer runs the
 * same seed with ever smaller sets of names that may strike.
 *
 *   INV-SIM-2  The same seed and the same set of names make the same run.
 */

/** A fault that struck: `kind` and the number of the chance among its kind. */
export interface Fault<Kind extends string = string> {
  readonly kind: Kind;
  readonly chance: number;
}

export function faultName(fault: Fault): string {
  return `${fault.kind}#${fault.chance}`;
}

export class FaultPlan<Kind extends string> {
  readonly #seed: number;
  readonly #kinds: readonly Kind[];
  readonly #chances: Int32Array;
  readonly #struck: Int32Array;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #faults: Fault<Kind>[] | undefined;
  #hash = 0;

  /** `only`: the faults that may strike, by name (default: all); `isRecorded`: keep a list of those that did. */
  constructor(
    seed: number,
    kinds: readonly Kind[],
    options: {
      readonly only?: ReadonlySet<string> | undefined;
      readonly isRecorded?: boolean;
    } = {},
  ) {
    this.#seed = seed >>> 0;
    this.#kinds = kinds;
    this.#chances = new Int32Array(kinds.length);
    this.#struck = new Int32Array(kinds.length);
    this.#only = options.only;
    this.#faults = options.isRecorded ? [] : undefined;
  }

  /** True when the next chance of this kind (its place in the list of kinds) is a fault. */
  strikes(kind: number, probability: number): boolean {
    const chance = this.#chances[kind]!++;
    if (probability <= 0) return false;
    this.#hash = mix(mix(this.#seed ^ Math.imul(kind + 1, 0x9e3779b1)) ^ chance);
    if (this.#hash >= probability * 0x1_0000_0000) return false;
    const fault = { kind: this.#kinds[kind]!, chance };
    if (this.#only !== undefined && !this.#only.has(faultName(fault))) return false;
    this.#struck[kind]!++;
    this.#faults?.push(fault);
    return true;
  }

  /** A number in [0, 1) that belongs to the last chance; each call makes another one. */
  value(): number {
    this.#hash = mix(this.#hash ^ 0x85ebca6b);
    return this.#hash / 0x1_0000_0000;
  }

  /** How many faults of each kind struck. */
  counts(): Map<Kind, number> {
    return new Map(this.#kinds.map((kind, i) => [kind, this.#struck[i]!]));
  }

  /** What struck, in order; empty unless recorded. */
  get faults(): readonly Fault<Kind>[] {
    return this.#faults ?? [];
  }
}

/** The finalizer of splitmix32: every bit of the input changes half of the output. */
export function mix(x: number): number {
  let z = (x + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
