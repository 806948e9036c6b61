/** What `authledger help <topic>` says about what all commands share. */
import { ExitCode } from "@authledger/types";

/** By the name in the error table. */
const EXIT_CODES: Readonly<Record<keyof typeof ExitCode, string>> = {
  OK: "done; with check --exit-code: allowed",
  DENIED: "denied, only with check --exit-code",
  USAGE: "the command line or the request is wrong",
  NOT_FOUND: "what was named is not there",
  FORBIDDEN: "not authenticated, or not allowed",
  CONFLICT: "a condition does not hold, or something else has it",
  UNAVAILABLE: "no node could be reached, or the time ran out",
  VERIFICATION_FAILED: "a proof does not verify: do not trust the answer",
  CORRUPTED: "data on disk is damaged",
  REMOVED: "the node was removed from its cluster",
  BUG: "a bug of Authledger; please report it",
  IO: "a file could not be read or written",
};

export interface ExitCodeRow {
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
}

export function exitCodeRows(): readonly ExitCodeRow[] {
  return Object.entries(EXIT_CODES).map(([name, meaning]) => ({
    code: ExitCode[name as keyof typeof ExitCode],
    name: name.toLowerCase(),
    meaning,
  }));
}

export const TOPICS: Readonly<Record<string, string>> = {
  output: `Data goes to standard output, everything else to standard error.

  -o table   for people (default)        -o json   one document, or a line for each thing of a stream
  -o wide    all fields, nothing cut     -o yaml   the same as documents
  -o name    one line for each thing, for scripts

  --field height            one field            --field groups[0].pages   inside lists
  --field 'groups[*].rows'  of all               --field a.b -o json       as JSON

Numbers of 64 bits are text in JSON; bytes are hex; times are RFC 3339, and in milliseconds in the field
with _ms at its end. authledger schema says which fields a command has.

--watch looks again and again: a window on a terminal, lines of JSON when piped. --quiet leaves out notes,
-v adds some, --log-format json makes them lines of JSON. Colours repeat what words say: --color, NO_COLOR.`,
  contexts: `A context keeps endpoint, organization, vault, anchor, pins, token and TLS under a name.

  authledger context set prod --endpoint 10.0.0.1:7400 --org 7 --vault 9 --anchor anchor.json
  authledger context use prod        make it the current one; context use - goes back
  authledger context show            every setting in effect, and where it comes from
  authledger check --context prod 'doc:readme#viewer@user:alice'

Each setting by itself is taken from the strongest that has it: flag, environment, context, default.
A trust anchor is used only for the vault that it was set with, the token of a context only for its endpoints. A token is
kept and never shown; --token-file keeps the path instead. It travels over TLS or to this machine (--token-over-plaintext).

They are kept in $XDG_CONFIG_HOME/authledger/contexts.json (~/.config without it), readable for you alone.
authledger dev and quickstart keep a context of their own up to date, and leave those that you made alone.`,
  environment: `  AUTHLEDGER_ENDPOINT   --endpoint     AUTHLEDGER_PINS      --pins
  AUTHLEDGER_ORG        --org          AUTHLEDGER_OUTPUT    --output
  AUTHLEDGER_VAULT      --vault        AUTHLEDGER_CONTEXT   --context
  AUTHLEDGER_ANCHOR     --anchor       NO_COLOR             --color never
  AUTHLEDGER_TOKEN      --token        AUTHLEDGER_TLS_CA    --tls-ca
  AUTHLEDGER_TOKEN_FILE --token-file   AUTHLEDGER_TLS_CERT  --tls-cert
  AUTHLEDGER_TLS_KEY    --tls-key      AUTHLEDGER_TLS_SERVER_NAME  --tls-server-name

  XDG_CONFIG_HOME   contexts                     XDG_STATE_HOME   pinned roots
  XDG_CACHE_HOME    what completion remembers    grpc_proxy, https_proxy, http_proxy, no_proxy

A flag beats a variable, a variable beats a context. Empty variables count as not set.`,
};
