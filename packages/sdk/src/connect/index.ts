/** The client over Connect, for whatever has `fetch`: bundlers for browsers take it without being told. */
export { createClient } from "./create-client.js";
