/** Runs something when every microtask that is there, or is added meanwhile, has run. */
export function afterMicrotasks(run: () => void): void {
  // A browser has no such tick; its next task comes later and is as good.
  if (typeof process === "undefined" || process.nextTick === undefined) setTimeout(run, 0);
  // A tick that is asked for by a microtask comes when no microtask is left.
  else queueMicrotask(() => process.nextTick(run));
}
