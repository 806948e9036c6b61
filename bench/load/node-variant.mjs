/**
 * A node in this process, as bench/overhead.mjs wants it: argument 1 is its configuration as JSON, argument 2 `bare` for a
 * gate that holds nothing. Its log goes to a file, as that of a node that runs in earnest.
 */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createLogger, parseNodeConfig, startNode } from "../../packages/server/dist/index.js";

const config = parseNodeConfig(JSON.parse(process.argv[2] ?? "{}"));
const log = createWriteStream(join(config.data, "node.log"));
const node = await startNode(config, {
  version: "bench",
  logger: createLogger("info", (line) => void log.write(line)),
  isBare: process.argv[3] === "bare",
  onFatal: (error) => {
    console.error(error);
    process.exit(1);
  },
});
console.log(`listening grpc=${node.grpcAddress} http=${node.httpAddress} pid=${process.pid}`);
