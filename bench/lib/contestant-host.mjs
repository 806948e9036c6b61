/**
 * The process of one contestant (rounds.mjs): imports its module, calls what it is told, and measures time and CPU
 * around each call. A function may return `{ operations, extra }`; a Promise is awaited.
 */
const [, , url] = process.argv;
const { create } = await import(String(url));
/** @type {Record<string, (...args: unknown[]) => unknown>} */
let contestant = {};

process.on("message", async (/** @type {any} */ { method, args }) => {
  try {
    process.send?.({ measured: await measure(method, args) });
  } catch (error) {
    process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : `${error}` });
  }
});

/**
 * @param {string} method
 * @param {readonly unknown[]} args
 */
async function measure(method, args) {
  if (method === "create") {
    contestant = await create(...args);
    return undefined;
  }
  const run = contestant[method];
  if (run === undefined) throw new Error(`there is no ${method}`);
  // What the call needs is made before the clock starts.
  const prepared = contestant[`prepare_${method}`]?.(...args);
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const result = /** @type {any} */ (await run(...(prepared === undefined ? args : [prepared])));
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const { operations = 0, extra } = result ?? {};
  return { operations, extra, seconds, cpuSeconds: (user + system) / 1e6 };
}
