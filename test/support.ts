/**
 * What tests share. Random tests take their seed here: it is printed, and `SEED=<n> npm test -- <file>`
 * replays it; a check of a change gives `CHECK_SEED`, so that what it found is there again. `RUNS=<factor>` multiplies the rounds of random tests, for longer campaigns.
 */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { onTestFinished } from "vitest";

/** The seed of a random test: from the environment, else a fresh one. */
export function testSeed(name: string): number {
  const given = process.env["SEED"] ?? process.env["CHECK_SEED"];
  const seed = given === undefined ? randomInt(0x1_0000_0000) : Number(given);
  process.stderr.write(`seed ${seed} (${name}; replay with SEED=${seed})\n`);
  return seed;
}

export function testRandom(name: string): SeededRandom {
  return new SeededRandom(testSeed(name));
}

/** How often a random test repeats: `rounds`, times the factor in the environment. */
export function testRounds(rounds: number): number {
  return Math.ceil(rounds * Number(process.env["RUNS"] ?? 1));
}

/** Parameters for `fc.assert`: a printed seed and a number of runs. */
export function propertyRuns(name: string, runs: number): { seed: number; numRuns: number } {
  return { seed: testSeed(name) | 0, numRuns: testRounds(runs) };
}

/** The LedgerError that `run` throws. Anything else it throws passes through; throwing nothing fails. */
export function thrownBy(run: () => unknown): LedgerError {
  try {
    run();
  } catch (error) {
    if (error instanceof LedgerError) return error;
    throw error;
  }
  throw new Error("expected a LedgerError, nothing was thrown");
}

/** The LedgerError that `promise` rejects with, by the same rules as `thrownBy`. */
export async function rejectedBy(promise: Promise<unknown>): Promise<LedgerError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LedgerError) return error;
    throw error;
  }
  throw new Error("expected a LedgerError, the promise was fulfilled");
}

/** A directory on the real disk that is removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "authledger-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
