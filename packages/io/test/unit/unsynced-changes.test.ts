import { describe, expect, it } from "vitest";
import { UnsyncedChanges } from "../../src/unsynced-changes.js";

describe("INV-IO-1: a sync covers what had ended when it began", () => {
  it("a file that was just opened needs one", () => {
    const changes = new UnsyncedChanges();
    expect(changes.isNone).toBe(false);
    changes.synced(changes.begin());
    expect(changes.isNone).toBe(true);
  });

  it("what ends while it runs needs another one", () => {
    const changes = new UnsyncedChanges();
    const begun = changes.begin();
    changes.note();
    changes.synced(begun);
    expect(changes.isNone).toBe(false);
    changes.synced(changes.begin());
    expect(changes.isNone).toBe(true);
  });

  it("two at once cover what the later one covers, in whichever order they end, and a failed one nothing", () => {
    const changes = new UnsyncedChanges();
    const first = changes.begin();
    changes.note();
    const second = changes.begin();
    changes.synced(second);
    changes.synced(first);
    expect(changes.isNone).toBe(true);
    changes.note();
    changes.begin();
    expect(changes.isNone).toBe(false);
  });
});
