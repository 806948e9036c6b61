/** Where the examples find their vault: the variables of the command line, as `authledger quickstart` writes them. */
import { readFileSync } from "node:fs";
import process from "node:process";

const { AUTHLEDGER_ENDPOINT, AUTHLEDGER_ORG, AUTHLEDGER_VAULT } = process.env;
const { AUTHLEDGER_ANCHOR, AUTHLEDGER_PINS } = process.env;

/** The node and the vault. */
export const where = {
  endpoints: AUTHLEDGER_ENDPOINT ?? "127.0.0.1:7400",
  tenant: { organization: AUTHLEDGER_ORG ?? "", vault: AUTHLEDGER_VAULT ?? "" },
};

/** The vault's trust anchor, from a file that came over a channel that you trust. */
export const anchor: string | undefined =
  AUTHLEDGER_ANCHOR && readFileSync(AUTHLEDGER_ANCHOR, "utf8");

/** Where verified heads are kept between runs. */
export const pins: string = AUTHLEDGER_PINS ?? "./pins";
