/** What a campaign can run: the core alone, or whole nodes. A mode runs one seed and says what came of it. */

/** What came of a seed, as plain data: it goes from a worker process to the command. */
export interface SeedReport {
  readonly seed: number;
  /** The rule that was broken, or why the run ended. */
  readonly failure: string | undefined;
  /** Over all that happened; equal runs have equal ones. */
  readonly hash: number;
  readonly virtualMs: number;
  /** Events given to cores or nodes. */
  readonly steps: number;
  readonly acknowledged: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly sometimes: Readonly<Record<string, number>>;
}

export interface Mode {
  readonly run: (seed: number) => Promise<SeedReport>;
}

export type ModeName = "core" | "nodes";

export function recordOf(counts: Iterable<readonly [string, number]>): Record<string, number> {
  const record: Record<string, number> = {};
  for (const [name, count] of counts) if (count > 0) record[name] = count;
  return record;
}
