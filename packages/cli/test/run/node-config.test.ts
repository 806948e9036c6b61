/** A node's configuration from flags, environment and file, and what is said of a file that is wrong. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_FIELDS, configExample, configJsonSchema, configVariable } from "@authledger/server";
import { describe, expect, it } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { nodeConfigOf, readConfigFile } from "../../src/run/node-config.js";

function fileOf(text: string, name = "node.yaml"): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, text);
  return path;
}

describe("a node's configuration", () => {
  it("takes a flag before the environment, that before the file, that before the default (L-51)", async () => {
    const file = fileOf("cache: 64MiB\ndata: ./from-file\nlogLevel: warn\nshutdownGrace: 3s\n");
    const env = { AUTHLEDGER_DATA: "./from-env", AUTHLEDGER_LOG_LEVEL: "error" };
    const flags = { logLevel: "debug", insecureAnyAddress: false };
    const config = await nodeConfigOf({ flags, env, file });
    expect([config.cache, config.data, config.http]).toEqual([
      64 * 1024 * 1024,
      "./from-env",
      "127.0.0.1:7402",
    ]);
    expect(config.runtime).toMatchObject({ logLevel: "debug", shutdownGrace: 3_000 });
  });

  it("is read from JSON too, and numbers from the environment", async () => {
    const file = fileOf('{"scrubHours": 5, "insecureAnyAddress": true}', "node.json");
    const env = { AUTHLEDGER_LOG_KEEP_ENTRIES: "77", AUTHLEDGER_LOG_KEEP_BYTES: "2MiB" };
    const config = await nodeConfigOf({ flags: { insecureAnyAddress: false }, env, file });
    expect(config.insecureAnyAddress).toBe(true);
    expect([config.logKeepEntries, config.logKeepBytes]).toEqual([77, 2 * 1024 * 1024]);
    expect(config.runtime.scrubHours).toBe(5);
  });

  it.each([
    ["logLevl: info\n", 'did you mean "logLevel"?'],
    ["- a\n- b\n", "has no fields"],
    ["a: [\n", "neither YAML nor JSON"],
  ])("refuses %j and says what is wrong", async (text, why) => {
    const error = await rejectedBy(readConfigFile(fileOf(text)));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain(why);
  });

  it("names the field whose value is wrong", async () => {
    const file = fileOf("shutdownGrace: soon\n");
    const error = await rejectedBy(nodeConfigOf({ flags: {}, env: {}, file }));
    expect([error.code, error.details["field"]]).toEqual(["CONFIG_INVALID", "shutdownGrace"]);
  });
});

describe("what is told of it", () => {
  it("is an example with every field that a node takes as it is", async () => {
    const example = configExample();
    for (const name of CONFIG_FIELDS) expect(example).toContain(`# ${name}:`);
    const live = example.replace(/^# (logLevel|scrubHours|shutdownGrace):/gm, "$1:");
    const config = await nodeConfigOf({ flags: {}, env: {}, file: fileOf(live) });
    expect(config.runtime).toMatchObject({ scrubHours: 24, shutdownGrace: 10_000 });
  });

  it("is a JSON Schema with every field and no others", () => {
    const schema = configJsonSchema() as { properties: object; additionalProperties: unknown };
    expect(Object.keys(schema.properties).sort()).toEqual([...CONFIG_FIELDS].sort());
    expect(schema.additionalProperties).toBe(false);
  });

  it("has no two fields with one variable of the environment", () => {
    expect(configVariable("logLevel")).toBe("AUTHLEDGER_LOG_LEVEL");
    expect(new Set(CONFIG_FIELDS.map(configVariable)).size).toBe(CONFIG_FIELDS.length);
  });
});
