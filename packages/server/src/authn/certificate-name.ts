/** Whom a client's certificate stands for: its URI (SPIFFE), else its common name, else its first DNS name. */
import type { X509Certificate } from "node:crypto";
import { limits, utf8Length } from "@authledger/types";
import type { Principal } from "../gate/principal.js";

/** Undefined for a certificate without a name that can be written. */
export function certificatePrincipal(certificate: X509Certificate): Principal | undefined {
  const { subject, subjectAltName } = certificate;
  const name =
    alternative(subjectAltName, "URI") ?? commonName(subject) ?? alternative(subjectAltName, "DNS");
  if (name === undefined || !isPlain(name)) return undefined;
  return { kind: "certificate", name: `cert:${name}` };
}

/** The first one of its kind. Node quotes names that hold what separates them; such a name is taken for nobody's. */
function alternative(text: string | undefined, kind: "URI" | "DNS"): string | undefined {
  if (text === undefined || text.includes('"')) return undefined;
  const found = text.split(", ").find((part) => part.startsWith(`${kind}:`));
  return found?.slice(kind.length + 1);
}

/** Parts of the subject are lines; one that holds a line break or a plus is escaped, and then is no plain name. */
function commonName(subject: string | undefined): string | undefined {
  const lines = (subject ?? "").split("\n").filter((line) => line.startsWith("CN="));
  return lines.length === 1 ? lines[0]!.slice(3) : undefined;
}

/** Printable, without the escapes of an unusual subject, and short enough for an actor. */
function isPlain(name: string): boolean {
  return (
    /^[^\p{Cc}\p{Cs}\\"]+$/u.test(name) &&
    utf8Length(name) <= limits.ACTOR_BYTES_MAX - "cert:".length
  );
}
