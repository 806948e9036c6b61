/** An import as a person follows it: progress on a terminal, each rejected part with its place and reason. */
import type { ClientOptions, LedgerClient } from "@authledger/sdk";
import type { ImportSource } from "../importers/import-source.js";
import { Progress } from "../output/progress.js";
import { escapeControls } from "../output/table.js";
import type { Run } from "./command.js";
import {
  IMPORT_CLIENT_ID,
  type ImportOptions,
  ImportRun,
  type ImportSummary,
} from "./import-run.js";

/** A chunk may wait for a node that restarts; nothing is lost meanwhile. */
const CHUNK_DEADLINE_MS = 60_000;
const ATTEMPTS_MAX = 200;

export interface FollowedImport {
  run(source: ImportSource): Promise<void>;
  /** What has been acknowledged; also after a failure. */
  readonly summary: ImportSummary;
  readonly seconds: number;
}

/** What a client must be told so that an import can be resumed. */
export function importClientOptions(deadlineMs?: number): Partial<ClientOptions> {
  return {
    clientId: IMPORT_CLIENT_ID,
    deadlineMs: deadlineMs ?? CHUNK_DEADLINE_MS,
    attemptsMax: ATTEMPTS_MAX,
  };
}

export function importWithProgress(
  { io, settings }: Pick<Run, "io" | "settings">,
  client: Pick<LedgerClient, "write">,
  options: Omit<ImportOptions, "signal">,
): FollowedImport {
  let total: number | undefined;
  let seconds = 0;
  const progress = new Progress({
    write: io.err,
    isTerminal: io.isErrTerminal && !settings.isQuiet,
    nowMs: () => performance.now(),
  });
  const importing = new ImportRun(
    client,
    { ...options, signal: io.signal },
    {
      rejected: ({ position, reason }) => {
        progress.clear();
        io.err(`rejected ${escapeControls(position)}: ${reason}\n`);
      },
      progressed: ({ operations, rejected }) => progress.update(operations + rejected, total),
    },
  );
  return {
    run: async (source) => {
      total = io.isErrTerminal ? await source.estimate?.() : undefined;
      const startMs = performance.now();
      try {
        await importing.run(source);
      } finally {
        progress.clear();
        seconds = (performance.now() - startMs) / 1000;
      }
    },
    get summary() {
      return importing.summary;
    },
    get seconds() {
      return seconds;
    },
  };
}
