/** The file of contexts: damage is told with its line, and commands that run together lose nothing. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rejectedBy, temporaryDirectory, thrownBy } from "../../../../test/support.js";
import {
  type Context,
  formatContextFile,
  parseContextFile,
} from "../../src/contexts/context-file.js";
import { ContextStore } from "../../src/contexts/context-store.js";

const DEV: Context = { endpoint: "127.0.0.1:7400", organization: "7", vault: "9" };

describe("a damaged file", () => {
  it("is told with the line of the first mistake", () => {
    const lines = formatContextFile({
      current: "dev",
      previous: undefined,
      contexts: new Map([["dev", DEV]]),
    }).split("\n");
    const replaced = (at: number, text: string): string =>
      lines.map((line, i) => (i === at - 1 ? text : line)).join("\n");
    for (const [text, line, why] of [
      ["", 1, /nothing where a value/],
      ["[]", 1, /should be in braces/],
      ["{", 1, /nothing where a value/],
      [replaced(2, '  "version": 2,'), 2, /not of version 1/],
      [replaced(3, '  "current": "dev"'), 4, /"contexts\\"" where "," should be/],
      [replaced(3, '  "current": dev,'), 3, /"dev" where a value should be/],
      [replaced(3, '  "current": "prod",'), 3, /names the context "prod"/],
      [replaced(6, '      "endpiont": "127.0.0.1:7400",'), 6, /did you mean "endpoint"/],
      [replaced(6, '      "endpoint": "127.0.0.1",'), 6, /not host:port/],
      [replaced(6, '      "endpoint": 7400,'), 6, /should be text/],
      [replaced(6, '      "endpoint": "127.0.0.1:7400'), 6, /where a value should be/],
      [replaced(7, '      "organization": "acme",'), 7, /organization "acme" is no slug/],
      [replaced(8, '      "vault": "9", "vault": "9"'), 8, /"vault" twice/],
      [replaced(8, '      "anchor": "anchor.json"'), 8, /no absolute path/],
      [replaced(5, '    "-x": {'), 5, /has the name "-x"/],
      [`${lines.join("\n")}}`, 12, /after its end/],
      [`${"[".repeat(100)}`, 1, /nested deeper/],
    ] as const) {
      const error = thrownBy(() => parseContextFile(text, "/c.json"));
      expect([text, error.code]).toEqual([text, "CONTEXT_FILE_INVALID"]);
      expect(error.message).toMatch(why);
      expect([text, error.message, error.details["line"]]).toEqual([text, error.message, line]);
      expect(error.message).toContain(`line ${line} of /c.json`);
    }
  });

  it("reads back what was written", () => {
    const file = {
      current: "dev",
      previous: "prod",
      contexts: new Map<string, Context>([
        ["dev", DEV],
        ["prod", { endpoint: "[::1]:1,b:2", anchor: '/a \u00fc "b".json', made_by: "x" }],
      ]),
    };
    expect(parseContextFile(formatContextFile(file), "/c.json")).toEqual(file);
  });
});

describe("the store", () => {
  const storeIn = (directory: string): ContextStore =>
    new ContextStore({ XDG_CONFIG_HOME: directory });

  it("is empty without a file, and keeps its file for its owner alone", async () => {
    const directory = temporaryDirectory();
    const store = storeIn(directory);
    expect((await store.load()).contexts.size).toBe(0);
    await store.update((file) => ({ ...file, contexts: new Map([["dev", DEV]]) }));
    expect(statSync(store.path).mode & 0o777).toBe(0o600);
    expect((await store.load()).contexts.get("dev")).toEqual(DEV);
  });

  it("loses nothing of changes that are made together, and is never seen half written (INV-CONTEXT-3)", async () => {
    const directory = temporaryDirectory();
    const names = Array.from({ length: 24 }, (_, i) => `c${i}`);
    let isDone = false;
    const reading = (async () => {
      while (!isDone) await storeIn(directory).load();
    })();
    await Promise.all(
      names.map((name) =>
        storeIn(directory).update((file) => ({
          ...file,
          contexts: new Map(file.contexts).set(name, DEV),
        })),
      ),
    );
    isDone = true;
    await reading;
    const { contexts } = await storeIn(directory).load();
    expect([...contexts.keys()].sort()).toEqual(names.sort());
    expect(readdirSync(join(directory, "authledger"))).toEqual(["contexts.json"]);
  });

  it("leaves a damaged file as it is", async () => {
    const directory = temporaryDirectory();
    const store = storeIn(directory);
    mkdirSync(join(directory, "authledger"));
    writeFileSync(store.path, "{ not json");
    expect((await rejectedBy(store.update((file) => file))).code).toBe("CONTEXT_FILE_INVALID");
    expect(readFileSync(store.path, "utf8")).toBe("{ not json");
  });

  it("goes on after a command that was killed while it held the lock", async () => {
    const directory = temporaryDirectory();
    const store = storeIn(directory);
    mkdirSync(join(directory, "authledger"));
    writeFileSync(`${store.path}.lock`, "");
    const old = new Date(Date.now() - 60_000);
    utimesSync(`${store.path}.lock`, old, old);
    await store.update((file) => ({ ...file, contexts: new Map([["dev", DEV]]) }));
    expect(existsSync(`${store.path}.lock`)).toBe(false);
  });
});
