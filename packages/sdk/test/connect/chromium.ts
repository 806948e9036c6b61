/** Opens a page in a real browser and waits for what it reports. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { endChromium, spawnChromium } from "../../../../test/chromium.js";

const REPORT_MS_MAX = 40_000;

export interface Site {
  readonly origin: string;
  /** Opens the site, whose only script is `program`, and gives what that posts to `/report`. */
  visit(program: string): Promise<unknown>;
}

export async function startSite(): Promise<Site> {
  let program = "";
  let report: (text: string) => void = () => undefined;
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      let text = "";
      for await (const chunk of request) text += chunk;
      response.end();
      report(text);
    } else if (request.url === "/program.js") {
      response.setHeader("content-type", "text/javascript; charset=utf-8").end(program);
    } else {
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end('<!doctype html><script type="module" src="/program.js"></script>');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const visit = async (code: string): Promise<unknown> => {
    program = code;
    const reported = new Promise<string>((resolve) => {
      report = resolve;
    });
    const browser = spawnChromium(origin);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the page reported nothing")), REPORT_MS_MAX);
    });
    try {
      return JSON.parse(await Promise.race([reported, late]));
    } finally {
      clearTimeout(timer);
      await endChromium(browser);
    }
  };
  return { origin, visit };
}
