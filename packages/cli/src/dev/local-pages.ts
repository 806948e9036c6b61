/** Which web pages may call a node for development: those that this machine serves, such as a bundler's. */
import type { Run } from "../run/command.js";
import { usage } from "../run/settings.js";

/** The flag of `dev` and `quickstart`. */
export const PAGES_FLAG = "--cors-origin <origins...>";
export const PAGES_FLAG_TEXT =
  "web pages of this machine that may call the node, such as http://localhost:5173";

/**
 * A node for development does for everybody what they ask, so a page from elsewhere is never let in.
 * @throws LedgerError USAGE
 */
export function localPages({ flags }: Run): readonly string[] {
  const given = flags["corsOrigin"];
  const origins = Array.isArray(given) ? given.map(String) : [];
  for (const origin of origins) requireLocal(origin);
  return origins;
}

function requireLocal(origin: string): void {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url?.origin !== origin) {
    const meant = url === undefined || url.origin === "null" ? "http://localhost:5173" : url.origin;
    throw usage(`--cors-origin "${origin}" is not an origin; ${meant} is one`);
  }
  if (isOfThisMachine(url.hostname)) return;
  throw usage(
    `--cors-origin ${origin} is not a page of this machine, and a node for development asks nobody who they are; serve others with authledger start --auth --connect`,
  );
}

/** Names that always mean the machine itself: RFC 6761 section 6.3, RFC 1122 section 3.2.1.3. */
function isOfThisMachine(host: string): boolean {
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host === "[::1]" ||
    /^127\.[0-9]+\.[0-9]+\.[0-9]+$/.test(host)
  );
}
