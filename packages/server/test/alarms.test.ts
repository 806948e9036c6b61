/** What the engine alarms about is in the node's log. */
import type { Engine } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import { expect, it, vi } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../test/support.js";
import { createLogger, parseNodeConfig } from "../src/index.js";
import { openNodeBase } from "../src/node-base.js";

const CLOCK = "the clock is 6000 ms ahead of the clocks of its peers";
const ROW = "stored rows are damaged: leaf of organization 7 vault 2: its hash is another one";

vi.mock("@authledger/engine", async (original) => ({
  ...(await original<object>()),
  openNodeEngine: async (
    _options: unknown,
    _onFatal: unknown,
    onAlarm: (alarm: string) => void,
  ): Promise<Engine> => {
    for (const alarm of [CLOCK, ROW]) onAlarm(alarm);
    throw new LedgerError("DISK_FULL", "enough");
  },
}));

// Every alarm was told as "stored rows are damaged", where the documents say to restore a snapshot: a clock that was off would
// have cost the writes since that snapshot.
it("an alarm is a line of the log in its own words, and only damaged rows are called so", async () => {
  const lines: string[] = [];
  const logger = createLogger("info", (line) => void lines.push(line));
  const ignored = (): void => undefined;
  const deps = { version: "1", logger, onFatal: ignored, onReadiness: ignored };
  const config = parseNodeConfig({ data: temporaryDirectory() });
  expect((await rejectedBy(openNodeBase(config, deps))).code).toBe("DISK_FULL");
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(told).toEqual(
    [CLOCK, ROW].map((msg) => expect.objectContaining({ level: 50, alarm: true, msg })),
  );
});
