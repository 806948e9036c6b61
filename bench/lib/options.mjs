/** Numbers on the command line of a benchmark: --name N. */
import { parseArgs } from "node:util";

/**
 * @template {Record<string, number>} T
 * @param {readonly string[]} args
 * @param {T} defaults
 * @returns {{ [K in keyof T]: number }}
 */
export function numbersOf(args, defaults) {
  const names = Object.keys(defaults);
  const { values } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      names.map((name) => [name, { type: /** @type {const} */ ("string") }]),
    ),
  });
  const numbers = names.map((name) => {
    const value = values[name] === undefined ? defaults[name] : Number(values[name]);
    if (Number.isSafeInteger(value) && Number(value) > 0) return [name, value];
    throw new RangeError(`--${name} must be a whole number above 0`);
  });
  return Object.fromEntries(numbers);
}
