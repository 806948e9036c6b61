/** Where the program of the empty server is, and the line by which it says that it is ready. */
import { fileURLToPath } from "node:url";

export const EMPTY_SERVER = fileURLToPath(new URL("empty-server.mjs", import.meta.url));
/** The port is in the first group. */
export const EMPTY_SERVER_READY = /^listening grpc=127\.0\.0\.1:(\d+)/m;
