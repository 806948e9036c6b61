/** What a context keeps and never shows. */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { runCli } from "../../src/cli.js";

it("a token is kept in a file for its owner alone, and shown by no command in any format", async () => {
  const home = await mkdtemp(join(tmpdir(), "authledger-"));
  onTestFinished(() => rm(home, { recursive: true }));
  let text = "";
  const keep = (more: string): void => {
    text += more;
  };
  const run = (...args: readonly string[]) =>
    runCli(args, {
      out: async (more) => keep(more),
      outBytes: async () => undefined,
      err: keep,
      input: (async function* () {})(),
      env: { XDG_CONFIG_HOME: home },
      isErrTerminal: false,
      signal: new AbortController().signal,
    });
  const flags = ["--endpoint", "n1:7400", "--tls-ca", "ca.pem", "--token", "very-secret"];
  expect(await run("context", "set", "prod", "--use", ...flags)).toBe(0);
  const path = join(home, "authledger", "contexts.json");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const kept = JSON.parse(await readFile(path, "utf8"));
  expect(kept.contexts.prod).toMatchObject({
    token: "very-secret",
    tls_ca: expect.stringMatching(/^\/.*ca\.pem$/),
  });
  for (const format of ["table", "wide", "json", "yaml", "name"]) {
    for (const command of [["show"], ["show", "prod"], ["list"], ["use", "prod"]]) {
      expect(await run("context", ...command, "-o", format)).toBe(0);
    }
  }
  expect(text).toContain("(hidden)");
  expect(text).not.toContain("very-secret");
  expect(await run("context", "set", "prod", "--token", "two words")).toBe(2);
});
