/**
 * Serves the page beside this file, for a ledger that `authledger dev` runs:
 *
 *     bin/authledger dev --cors-origin http://localhost:5173
 *     node packages/sdk/examples/browser/serve.mjs --data .authledger/dev --connect http://127.0.0.1:7403
 *
 * It bundles the library as Vite or webpack would, and tells the page which vault there is and how it begins (its trust anchor).
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rolldown } from "rolldown";

const { values: given } = parseArgs({
  options: {
    data: { type: "string", default: ".authledger/dev" },
    connect: { type: "string", default: "http://127.0.0.1:7403" },
    port: { type: "string", default: "5173" },
  },
});

/** The library, by what its package.json says of browsers. */
async function bundle() {
  const build = await rolldown({
    input: fileURLToPath(new URL("../../dist/index.js", import.meta.url)),
    platform: "browser",
    logLevel: "silent",
  });
  const { output } = await build.generate({ format: "es", minify: true });
  await build.close();
  return output[0].code;
}

/** What the page has to know of the ledger; the files are those that `authledger dev` keeps. */
async function ledger() {
  const file = async (name) => await readFile(join(given.data, name), "utf8");
  const { organization, vault } = JSON.parse(await file("ledger.json"));
  const endpoint = given.connect.replace(/^http:\/\//, "");
  return JSON.stringify({
    endpoint,
    tenant: { organization, vault },
    anchor: await file("anchor.json"),
  });
}

const beside = (name) => readFile(new URL(name, import.meta.url));
const sdk = await bundle();
const FILES = {
  "/": ["text/html", () => beside("index.html")],
  "/page.js": ["text/javascript", () => beside("page.js")],
  "/sdk.js": ["text/javascript", () => sdk],
  "/ledger.json": ["application/json", ledger],
};

const server = createServer(async (request, response) => {
  const [type, read] = FILES[new URL(request.url, "http://page").pathname] ?? [];
  try {
    if (read === undefined) response.writeHead(404).end();
    else {
      const body = await read();
      response.setHeader("content-type", `${type}; charset=utf-8`).end(body);
    }
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
server.listen(Number(given.port), "127.0.0.1", () => {
  console.log(`open http://localhost:${server.address().port}`);
});
process.once("SIGTERM", () => process.exit());
