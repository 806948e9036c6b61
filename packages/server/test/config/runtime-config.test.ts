/** The configuration that may change while a node runs: what is taken, where a value comes from, who is told. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { durationField, flagField, parseField, sizeField } from "../../src/config/field.js";
import { parseRuntimeInput, RuntimeConfig, valueText } from "../../src/config/runtime-config.js";
import { RUNTIME_FIELD_NAMES } from "../../src/config/runtime-fields.js";

const SPAN = durationField("a span", { default: 10_000, min: 0, max: 3_600_000 });
const SIZE = sizeField("a size", { default: 1024, min: 1, max: 1024 ** 4 });

describe("fields", () => {
  it.each([
    ["5ms", 5],
    ["10s", 10_000],
    ["90 s", 90_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    [250, 250],
  ])("take %s as a duration, and its text reads back as it (INV-ADMIN-1)", (given, ms) => {
    expect(parseField("span", SPAN, given)).toBe(ms);
    expect(parseField("span", SPAN, SPAN.text(ms))).toBe(ms);
  });

  it.each([
    ["128MB", 128_000_000],
    ["64KiB", 65_536],
    ["1 GiB", 1024 ** 3],
    ["17", 17],
  ])("take %s as a size, and its text reads back as it (INV-ADMIN-1)", (given, bytes) => {
    expect(parseField("size", SIZE, given)).toBe(bytes);
    expect(parseField("size", SIZE, SIZE.text(bytes))).toBe(bytes);
  });

  it.each([
    [SPAN, "10"],
    [SPAN, "-1s"],
    [SPAN, "2h"],
    [SPAN, "1 fortnight"],
    [SIZE, "0"],
    [SIZE, "many"],
    [SIZE, "2TiB"],
    [flagField("a flag", true), "yes"],
  ])("refuse what is wrong, with the field and why", (field, given) => {
    const error = thrownBy(() => parseField("field", field as typeof SPAN, given));
    expect([error.code, error.details["field"]]).toEqual(["CONFIG_INVALID", "field"]);
  });

  it("write every default so that it reads back (INV-ADMIN-1)", () => {
    const { values } = new RuntimeConfig();
    for (const name of RUNTIME_FIELD_NAMES) {
      const text = valueText(name, values[name]);
      expect(parseRuntimeInput({ [name]: text })[name]).toBe(values[name]);
    }
  });
});

describe("the runtime configuration", () => {
  it("takes the node's own value first, then the cluster's, then the default", () => {
    const config = new RuntimeConfig({ logLevel: "debug" });
    config.setCluster({ logLevel: "error", scrubHours: 1 });
    expect(config.values).toEqual(expect.objectContaining({ logLevel: "debug", scrubHours: 1 }));
    expect(config.sourceOf("logLevel")).toBe("node");
    expect(config.sourceOf("scrubHours")).toBe("cluster");
    expect(config.sourceOf("shutdownGrace")).toBe("default");
    config.setOwn({});
    expect(config.values.logLevel).toBe("error");
  });

  it("shows a subscriber all values of a change, not some (INV-ADMIN-2)", () => {
    const config = new RuntimeConfig();
    const seen: unknown[] = [];
    config.subscribe("logLevel", (level) => seen.push([level, config.values.scrubHours]));
    const before = config.values;
    config.setCluster({ logLevel: "warn", scrubHours: 7 });
    expect(seen).toEqual([["warn", 7]]);
    expect(before.scrubHours).toBe(24);
    expect(Object.isFrozen(config.values)).toBe(true);
  });

  it("tells only of values that became others, and nobody who has ended", () => {
    const config = new RuntimeConfig();
    const seen: unknown[] = [];
    const end = config.subscribe("scrubHours", (hours) => seen.push(hours));
    config.setCluster({ scrubHours: 24 });
    config.setCluster({ scrubHours: 3 });
    end();
    config.setCluster({ scrubHours: 4 });
    expect(seen).toEqual([3]);
  });

  it("changes nothing where one value is wrong (INV-ADMIN-3)", () => {
    const error = thrownBy(() => parseRuntimeInput({ scrubHours: 3, logLevel: "loud" }));
    expect([error.code, error.details["field"]]).toEqual(["CONFIG_INVALID", "logLevel"]);
  });

  it("names the field that was meant", () => {
    const error = thrownBy(() => parseRuntimeInput({ logLevl: "info" }));
    expect(error.message).toContain('did you mean "logLevel"?');
  });

  it("shows what would change without changing it", () => {
    const config = new RuntimeConfig({ logLevel: "debug" });
    expect(config.preview({ logLevel: "warn", scrubHours: 2 })).toEqual([
      { name: "scrubHours", before: "24", after: "2" },
    ]);
    expect(config.values.scrubHours).toBe(24);
  });
});
