// @ts-check
/** What a target tells: accepted, or refused with a typed error. Everything else that is thrown is a finding. */
import { product } from "./product.mjs";

const { LedgerError } = await product("types");

/**
 * @param {() => unknown} run throws a LedgerError for what it refuses
 * @param {(error: any) => boolean} [isRefusal] other errors that are refusals here
 */
export function accepts(run, isRefusal = () => false) {
  try {
    run();
    return true;
  } catch (error) {
    return refused(error, isRefusal);
  }
}

/**
 * @param {() => Promise<unknown>} run
 * @param {(error: any) => boolean} [isRefusal]
 */
export async function acceptsAsync(run, isRefusal = () => false) {
  try {
    await run();
    return true;
  } catch (error) {
    return refused(error, isRefusal);
  }
}

/**
 * @param {unknown} error
 * @param {(error: any) => boolean} isRefusal
 */
function refused(error, isRefusal) {
  // INTERNAL is what an error that nobody expected becomes.
  const isTyped = error instanceof LedgerError;
  if (isTyped && /** @type {any} */ (error).code !== "INTERNAL") return false;
  if (isRefusal(error)) return false;
  throw error;
}

/**
 * A property of everything that is accepted.
 *
 * @param {boolean} holds
 * @param {string} what
 */
export function must(holds, what) {
  if (!holds) throw new Error(`broken property: ${what}`);
}
