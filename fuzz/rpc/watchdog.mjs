// @ts-check
/**
 * Ends the process when its event loop stands still: a call that never comes back to it would hang the node, its clients
 * and every timer alike, so a thread of its own looks on. It says which requests were sent last.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { isMainThread, Worker, workerData } from "node:worker_threads";

/** A loop that does not turn for so long hangs. */
const STILL_MS_MAX = 20_000;
const BEAT_MS = 500;
/** Requests that are remembered: more than are under way at once. */
const SLOTS = 16;
const SLOT_BYTES = 4_096;
const LENGTH_BYTES = 4;

export class Watchdog {
  #buffer = new SharedArrayBuffer(LENGTH_BYTES + SLOTS * SLOT_BYTES);
  #beats = new Int32Array(this.#buffer, 0, 1);
  #next = 0;

  constructor() {
    const worker = new Worker(new URL(import.meta.url), { workerData: this.#buffer });
    worker.unref();
    setInterval(() => {
      Atomics.add(this.#beats, 0, 1);
      Atomics.notify(this.#beats, 0);
    }, BEAT_MS).unref();
  }

  /** Remembers what is sent. @param {string} request */
  note(request) {
    const slot = new Uint8Array(
      this.#buffer,
      LENGTH_BYTES + (this.#next++ % SLOTS) * SLOT_BYTES,
      SLOT_BYTES,
    );
    slot.fill(0);
    Buffer.from(request).copy(slot, 0, 0, SLOT_BYTES);
  }
}

/** @param {SharedArrayBuffer} buffer */
function watch(buffer) {
  const beats = new Int32Array(buffer, 0, 1);
  for (;;) {
    const seen = Atomics.load(beats, 0);
    if (Atomics.wait(beats, 0, seen, STILL_MS_MAX) !== "timed-out") continue;
    const slots = Array.from({ length: SLOTS }, (_, slot) =>
      Buffer.from(new Uint8Array(buffer, LENGTH_BYTES + slot * SLOT_BYTES, SLOT_BYTES))
        .toString()
        .replace(/\0+$/, ""),
    );
    // The streams of a worker go through the thread that hangs.
    writeSync(
      1,
      `FINDING  hang: the loop stood still for ${STILL_MS_MAX / 1000} s; sent last:\n${slots.join("\n")}\n`,
    );
    process.kill(process.pid, "SIGKILL");
  }
}

if (!isMainThread && workerData instanceof SharedArrayBuffer) watch(workerData);
