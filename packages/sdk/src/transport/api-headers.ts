/** What every request says of the client. */
import type { WireMetadata } from "./wire.js";

/** The API that this library speaks, and its own version. */
export const apiHeaders: WireMetadata = {
  "authledger-api-version": "1",
  "authledger-sdk": "js/0.1.0",
};
