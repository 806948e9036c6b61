/** Writing to a file descriptor beside the loop: a pipe that nobody reads holds a thread of the pool, not the process. */
import { write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const writeSome = promisify(write);
/** A pipe that does not block says so when it is full. */
const FULL_MS = 10;

/** Resolves when everything is written. @throws what the system says, EAGAIN left out */
export async function writeLater(descriptor: number, text: string): Promise<void> {
  let left: Buffer = Buffer.from(text);
  while (left.length > 0) {
    const written = await writeSome(descriptor, left).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EAGAIN") throw error;
      return undefined;
    });
    if (written === undefined) await sleep(FULL_MS);
    else left = left.subarray(written.bytesWritten);
  }
}
