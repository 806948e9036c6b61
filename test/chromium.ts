/** Pages in a real browser, for tests: opened, read, clicked and photographed over the DevTools protocol. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { temporaryDirectory } from "./support.js";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
  "--disable-dev-shm-usage",
];
const WAIT_MS_MAX = 40_000;

/** Undefined where there is none. */
export const CHROMIUM: string | undefined = PATHS.find((path) => existsSync(path));

/** Tests of what follows are left out, plainly, where there is no browser. */
export function sayWithoutChromium(what: string): void {
  if (CHROMIUM !== undefined) return;
  process.stderr.write(`skipped, ${what}: no Chromium in /usr/bin (apt-get install chromium)\n`);
}

/** Chromium on a page, in a process group and with a directory of its own. */
export function spawnChromium(url: string, more: readonly string[] = []): ChildProcess {
  const flags = [...FLAGS, ...more, `--user-data-dir=${temporaryDirectory()}`];
  const pipes = ["ignore", "ignore", "ignore", "pipe", "pipe"] as const;
  return spawn(CHROMIUM!, [...flags, url], { stdio: [...pipes], detached: true });
}

/** The browser and what it started; it writes to its directory until it is gone. */
export async function endChromium(browser: ChildProcess): Promise<void> {
  const isRunning = browser.exitCode === null && browser.signalCode === null;
  const gone = new Promise<void>((resolve) => browser.once("exit", () => resolve()));
  if (browser.pid === undefined || !isRunning) return;
  process.kill(-browser.pid, "SIGKILL");
  await gone;
}

export interface Page {
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until the expression is true. @throws with what `about` gives when it takes too long */
  until(expression: string, about?: string): Promise<void>;
  /** A picture, PNG. */
  picture(): Promise<Buffer>;
}

/** Opens a page; it is closed when the test ends. */
export async function openPage(url: string): Promise<Page> {
  const browser = spawnChromium("about:blank", ["--remote-debugging-pipe"]);
  onTestFinished(() => endChromium(browser));
  const devtools = new DevTools(browser);
  const { targetId } = await devtools.call("Target.createTarget", { url });
  const attached = await devtools.call("Target.attachToTarget", { targetId, flatten: true });
  const session = attached["sessionId"] as string;
  const evaluate = async (expression: string): Promise<unknown> => {
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const answer = await devtools.call("Runtime.evaluate", asked, session);
    if (answer["exceptionDetails"] !== undefined) throw new Error(JSON.stringify(answer));
    return (answer["result"] as { readonly value?: unknown }).value;
  };
  const until = async (expression: string, about = "document.body.innerText"): Promise<void> => {
    const lateAtMs = Date.now() + WAIT_MS_MAX;
    while ((await evaluate(expression)) !== true) {
      if (Date.now() > lateAtMs) throw new Error(`${expression}: ${await evaluate(about)}`);
      await sleep(50);
    }
  };
  const picture = async (): Promise<Buffer> => {
    const { data } = await devtools.call("Page.captureScreenshot", { format: "png" }, session);
    return Buffer.from(data as string, "base64");
  };
  return { evaluate, until, picture };
}

type Answer = Readonly<Record<string, unknown>>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** Messages in JSON over two pipes, a zero byte after each (chromedevtools.github.io/devtools-protocol). */
class DevTools {
  readonly #out: Writable;
  readonly #calls = new Map<number, Waiting>();
  #id = 0;
  #rest = "";

  constructor(browser: ChildProcess) {
    this.#out = browser.stdio[3] as Writable;
    const input = browser.stdio[4] as Readable;
    input.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    browser.once("exit", () => {
      for (const { reject } of this.#calls.values()) reject(new Error("the browser ended"));
    });
    this.#out.on("error", () => undefined);
  }

  call(method: string, params: object, sessionId?: string): Promise<Answer> {
    const id = ++this.#id;
    this.#out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
  }

  #read(text: string): void {
    const messages = `${this.#rest}${text}`.split("\0");
    this.#rest = messages.pop()!;
    for (const message of messages) {
      const { id, result, error } = JSON.parse(message) as {
        readonly id?: number;
        readonly result?: Answer;
        readonly error?: { readonly message: string };
      };
      const waiting = id === undefined ? undefined : this.#calls.get(id);
      if (waiting === undefined) continue; // an event
      this.#calls.delete(id!);
      if (error === undefined) waiting.resolve(result ?? {});
      else waiting.reject(new Error(error.message));
    }
  }
}
