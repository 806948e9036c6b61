/**
 * The yardstick of the node: a gRPC server with the same library, messages, options and
 * setting of the heap (packages/server/src/heap.ts), whose handlers do nothing but
 * return a constant, as a process of its own.
 *
 *     node empty-server.mjs [RESPONSE]
 *
 * RESPONSE is a CheckResponse in hex, so that both servers answer with as many bytes; the handler returns it as a
 * message, which is encoded for each call. Prints `listening grpc=HOST:PORT pid=PID`. Ends on SIGTERM.
 */
import { createRequire } from "node:module";
import { read } from "../../packages/proto/dist/index.js";
import {
  CHANNEL_OPTIONS,
  keepCallsYoung,
  parseNodeConfig,
} from "../../packages/server/dist/index.js";

// The library of the node itself, not another copy or version of it.
const require = createRequire(new URL("../../packages/server/package.json", import.meta.url));
/** @type {typeof import("@grpc/grpc-js")} */
const grpc = require("@grpc/grpc-js");

keepCallsYoung();
const given = process.argv[2];
const response =
  given === undefined
    ? read.CheckResponse.fromPartial({ allowed: true, height: 1n, token: Buffer.alloc(24, 1) })
    : read.CheckResponse.decode(Buffer.from(given, "hex"));

const server = new grpc.Server({
  ...CHANNEL_OPTIONS,
  "grpc.max_concurrent_streams": parseNodeConfig({}).streamsPerConnection,
});
server.addService(/** @type {any} */ ({ check: read.ReadServiceService.check }), {
  /**
   * @param {unknown} _call
   * @param {(error: null, response: object) => void} callback
   */
  check(_call, callback) {
    callback(null, response);
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`listening grpc=127.0.0.1:${port} pid=${process.pid}`);
});
process.on("SIGTERM", () => {
  server.forceShutdown();
  process.exit(0);
});
