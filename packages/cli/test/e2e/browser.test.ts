/** The page of packages/sdk/examples/browser, as its two commands bring it up, in a real browser. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { CHROMIUM, openPage, type Page, sayWithoutChromium } from "../../../../test/chromium.js";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, launch } from "./processes.js";

const SERVE = fileURLToPath(new URL("../../../sdk/examples/browser/serve.mjs", import.meta.url));
const TUPLE = "doc:readme#viewer@user:alice";
const OPEN = /^open (http:\/\/localhost:[0-9]+)$/m;

interface Dev {
  readonly data: string;
  readonly connect: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A free port of loopback: the node must know the page's origin before there is a page. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function startDev(page: string): Promise<Dev> {
  const data = join(temporaryDirectory(), "dev");
  const args = ["dev", "--data", data, "--no-keep-context", "--cors-origin", page, "-o", "json"];
  const { child, output } = launch(args);
  while (!output.err.includes("Ctrl-C stops")) {
    if (child.exitCode !== null) throw new Error(output.err);
    await sleep(20);
  }
  const { grpc, connect, organization, vault } = JSON.parse(output.out) as Record<string, string>;
  const env = {
    AUTHLEDGER_ENDPOINT: grpc!,
    AUTHLEDGER_ORG: organization!,
    AUTHLEDGER_VAULT: vault!,
  };
  return { data, connect: connect!, env };
}

/** Runs the server of the example; what it says to open. */
async function serve({ data, connect }: Dev, port: number): Promise<string> {
  const args = [SERVE, "--data", data, "--connect", connect, "--port", String(port)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  for await (const text of child.stdout.setEncoding("utf8")) {
    said += text;
    const url = OPEN.exec(said)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`the example served nothing: ${said}`);
}

const textOf = (page: Page, id: string): Promise<unknown> =>
  page.evaluate(`document.getElementById("${id}").textContent`);

async function verdictOf(page: Page): Promise<unknown> {
  await page.until(
    '(document.getElementById("verdict")?.textContent ?? "asking ...") !== "asking ..."',
  );
  return await textOf(page, "verdict");
}

sayWithoutChromium("the example page");
describe.skipIf(CHROMIUM === undefined)("the example page in Chromium", () => {
  it("shows denied, then allowed, each decided again in the page under a head that grew; a page of another origin gets nothing", async () => {
    const port = await freePort();
    const dev = await startDev(`http://localhost:${port}`);
    const page = await openPage(await serve(dev, port));
    expect(await verdictOf(page)).toBe("denied");
    expect(await textOf(page, "how")).toMatch(/^The decision was made again in this page/);
    const size = Number(await textOf(page, "size"));
    expect(await textOf(page, "root")).toMatch(/^[0-9a-f]{64}$/);

    const { end, err } = await cliHere(["tuple", "write", TUPLE], { env: dev.env });
    expect([end, err]).toEqual([0, expect.any(String)]);
    await page.evaluate('document.querySelector("button").click()');
    expect(await verdictOf(page)).toBe("allowed");
    expect(Number(await textOf(page, "size"))).toBeGreaterThan(size);
    expect(await page.evaluate("location.search")).toBe(`?q=${encodeURIComponent(TUPLE)}`);
    const picture = process.env["PICTURE"];
    if (picture !== undefined) writeFileSync(picture, await page.picture());

    // Served from an address that the node was not told: the same files, the same anchor, the same vault.
    const stranger = await openPage(await serve(dev, 0));
    expect(await verdictOf(stranger)).toBe("no answer");
    expect(await textOf(stranger, "how")).toMatch(/^UNAVAILABLE: .*--cors-origin/s);
    expect(await stranger.evaluate('document.getElementById("proof").hidden')).toBe(true);
  }, 120_000);
});
