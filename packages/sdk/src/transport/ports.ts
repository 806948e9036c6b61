/** What the transport is surrounded by: the way to a node, time and chance. Tests bring their own. */
import type { ClientOptions } from "../options.js";
import type { WireChannel } from "./wire.js";

export interface Ports {
  /** The way to host:port. @throws LedgerError INVALID_ARGUMENT for options that cannot be used */
  dial(address: string, options: ClientOptions): WireChannel;
  /** Milliseconds of a clock that never goes back: deadlines, pauses and rests are counted with it. */
  nowMs(): number;
  /** Milliseconds since 1970, as the machine has them: they may jump. Only for what others say of that time. */
  wallMs(): number;
  /** At least 0, below 1. */
  random(): number;
  /** Runs something once, later; what is returned forgets it. A timer keeps the process alive. */
  after(ms: number, run: () => void): () => void;
}

/** Time and chance of the machine. */
export const MACHINE: Omit<Ports, "dial"> = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** False when the signal ended the pause. */
export function pause(
  { after }: Pick<Ports, "after">,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (signal?.aborted === true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (isOver: boolean): void => {
      forget();
      signal?.removeEventListener("abort", onAbort);
      resolve(isOver);
    };
    const onAbort = (): void => end(false);
    const forget = after(ms, () => end(true));
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
