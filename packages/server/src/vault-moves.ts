/**
 * Who waits for new blocks of which vault. The engine is asked one question at a time for all of them, and only
 * while somebody waits.
 *
 *   INV-MOVES-1  A block that is applied after a subscription began, or was cleared, wakes it: whoever clears, then
 *                reads, then waits, misses nothing.
 */
import type { EnginePort } from "@authledger/engine";

/** How long the engine is asked to wait; a subscription of a quiet vault costs nothing meanwhile. */
const POLL_MS = 30_000;

/** One watcher of one vault. */
export interface Subscription {
  /** Forgets what has moved so far. */
  clear(): void;
  /** True when the vault has moved since it was cleared; false after `waitMs` or when the signal is aborted. */
  moved(waitMs: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

interface Watcher {
  hasMoved: boolean;
  wake: () => void;
}

export class VaultMoves {
  readonly #engine: EnginePort;
  readonly #watchers = new Map<number, Set<Watcher>>();
  #isPolling = false;

  constructor(engine: EnginePort) {
    this.#engine = engine;
  }

  subscribe(vault: number): Subscription {
    const watcher: Watcher = { hasMoved: false, wake: () => undefined };
    const ofVault = this.#watchers.get(vault) ?? new Set();
    ofVault.add(watcher);
    this.#watchers.set(vault, ofVault);
    if (!this.#isPolling) void this.#poll();
    return {
      clear: () => {
        watcher.hasMoved = false;
        // It ends after a failure of the engine, of which the watcher's next read will tell.
        if (!this.#isPolling) void this.#poll();
      },
      moved: (waitMs, signal) => movedOf(watcher, waitMs, signal),
      close: () => {
        ofVault.delete(watcher);
        if (ofVault.size === 0) this.#watchers.delete(vault);
      },
    };
  }

  /** The first question is put before anybody reads, and so names an index before what they read. */
  async #poll(): Promise<void> {
    this.#isPolling = true;
    try {
      let after: number | undefined;
      while (this.#watchers.size > 0) {
        const question = { ...(after !== undefined && { after }), waitMs: POLL_MS };
        const { index, vaults, isComplete } = await this.#engine.call("wait_blocks", question);
        after = index;
        for (const vault of isComplete ? vaults : [...this.#watchers.keys()]) this.#wake(vault);
      }
    } catch {
      for (const vault of [...this.#watchers.keys()]) this.#wake(vault);
    } finally {
      this.#isPolling = false;
    }
  }

  #wake(vault: number): void {
    for (const watcher of this.#watchers.get(vault) ?? []) {
      watcher.hasMoved = true;
      watcher.wake();
    }
  }
}

function movedOf(watcher: Watcher, waitMs: number, signal: AbortSignal): Promise<boolean> {
  if (watcher.hasMoved || signal.aborted) return Promise.resolve(watcher.hasMoved);
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      watcher.wake = () => undefined;
      resolve(watcher.hasMoved);
    };
    const timer = setTimeout(end, waitMs);
    signal.addEventListener("abort", end, { once: true });
    watcher.wake = end;
  });
}
