import { expect, it } from "vitest";
import { drawSettings } from "../../src/cluster/cluster-settings.js";

/** What the policies of all vaults of a storm may have together, kept in one entry. */
const POLICIES_BYTES = 32 * 1024;
/** Of a segment: its header, a block to close it, and at most a quarter for what is carried forward. */
const SHARE_OF_APPENDS = 0.6;

// The policies of all vaults had waited for one signature, and came into one entry of 20,908 bytes; a segment of 32 KiB takes 20,448.
it("segments of the logs hold the largest entry that a storm makes (seed 950002045)", () => {
  for (let seed = 0; seed < 1_000; seed++) {
    const { segmentBytes } = drawSettings(seed);
    expect([seed, segmentBytes * SHARE_OF_APPENDS >= POLICIES_BYTES]).toEqual([seed, true]);
  }
});
