/**
 * What tests share. Random tests take their seed here: it is printed, and `SEED=<n> npm test -- <file>`
 * replays it.
 */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@authledger/io";
import { onTestFinished } from "vitest";

/** The seed of a random test: from the environment, else fresh. */
export function testSeed(name: string): number {
  const given = process.env["SEED"];
  const seed = given === undefined ? randomInt(0x1_0000_0000) : Number(given);
  process.stderr.write(`seed ${seed} (${name}; replay with SEED=${seed})\n`);
  return seed;
}

export function testRandom(name: string): SeededRandom {
  return new SeededRandom(testSeed(name));
}

/** A directory on the real disk that is removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "authledger-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
