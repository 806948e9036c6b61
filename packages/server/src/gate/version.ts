/**
 * Which versions of the API this node speaks (L-162). A client says its own in the metadata `authledger-api-version`; one
 * that says nothing speaks version 1, as clients did before there was a number.
 */
import { API_VERSION_KEY } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import type { GateStep } from "./gate.js";
import type { GatedCall } from "./gated-call.js";

/** The range that this node answers, both ends included. */
export const API_VERSION_OLDEST = 1;
export const API_VERSION_NEWEST = 1;

export class VersionStep implements GateStep {
  readonly #range: { readonly oldest: number; readonly newest: number };

  constructor(
    range: { readonly oldest: number; readonly newest: number } = {
      oldest: API_VERSION_OLDEST,
      newest: API_VERSION_NEWEST,
    },
  ) {
    this.#range = range;
  }

  /** @throws LedgerError API_VERSION_UNSUPPORTED with the range that is */
  enter(call: GatedCall): void {
    const given = call.wire.metadata.get(API_VERSION_KEY)[0] ?? "1";
    const { oldest, newest } = this.#range;
    // The usual client, without making a number of it.
    if (given === "1" && oldest === 1) return;
    const version = /^[0-9]{1,6}$/.test(String(given)) ? Number(given) : undefined;
    if (version !== undefined && version >= oldest && version <= newest) return;
    const text = String(given).slice(0, 20);
    const message = `the client speaks version "${text}" of the API, this node ${oldest} to ${newest}`;
    const details = { given: text, oldest, newest };
    throw new LedgerError("API_VERSION_UNSUPPORTED", message, { details });
  }
}
