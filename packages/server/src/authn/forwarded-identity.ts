/**
 * Who calls, as the node says that passed the call on: a certificate ends where its connection ends, so the name travels
 * instead of the credential, under a key that only the cluster's voters have (they derive it from the log seed). Nobody is
 * vouched for too: that a node passed the call on is what the limits of clients must know.
 *
 *     base64url(JSON {"kind","name","at_ms"}) "." base64url(HMAC-SHA256(key, label | path | SHA-256 of the request | the JSON))
 *
 *   INV-AUTHN-7  A forwarded identity is believed for the method and the request that it was made for, for 30 s, and only
 *                where it was made with the cluster's key.
 *
 * A text of the cluster's key with another time is that of a node whose clock is wrong, or an old one: the answer names the clock, since
 * the caller's credential is well, and another node can pass the call on.
 *
 * Within the 30 s the same bytes could be sent again by who sees them on the wire, which is why other machines are served
 * over TLS only.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { LedgerError } from "@authledger/types";
import { z } from "zod";
import type { Principal } from "../gate/principal.js";
import { unauthenticated } from "./credential-source.js";

const LABEL = "authledger forwarded identity v1";
/** How far the clocks of two nodes and the way between them may be apart. */
const AGE_MS_MAX = 30_000;
const TEXT_MAX = 2_048;
/** Clocks are corrected in seconds at best; the caller asks another node first. */
const RETRY_MS = 1_000;

const schema = z.object({
  kind: z.enum(["anonymous", "root", "key", "token", "certificate", "node"]),
  name: z.string().min(1),
  at_ms: z.number().int(),
});

/** The call that is passed on. */
export interface IdentifiedCall {
  readonly path: string;
  /** Its bytes. */
  readonly request: Uint8Array;
}

export class ForwardedIdentity {
  readonly #key: () => Uint8Array | undefined;
  readonly #nowMs: () => number;

  /** @param key undefined while this node does not have it: it can neither vouch nor believe */
  constructor(key: () => Uint8Array | undefined, nowMs: () => number = Date.now) {
    this.#key = key;
    this.#nowMs = nowMs;
  }

  /** A learner has none, and a new voter not at once: neither vouches, and neither can tell who does. */
  get hasKey(): boolean {
    return this.#key() !== undefined;
  }

  /** Undefined without the key to do it with. */
  sign(principal: Principal, call: IdentifiedCall): string | undefined {
    const key = this.#key();
    if (key === undefined) return undefined;
    const { kind, name } = principal;
    const about = Buffer.from(JSON.stringify({ kind, name, at_ms: this.#nowMs() }));
    return `${about.toString("base64url")}.${macOf(key, call, about).toString("base64url")}`;
  }

  /** @throws LedgerError UNAUTHENTICATED, CLOCK_SKEW */
  verify(text: string, call: IdentifiedCall): Principal {
    const key = this.#key();
    const [about, mac, ...rest] = text.split(".", 3);
    if (key === undefined || mac === undefined || rest.length > 0 || text.length > TEXT_MAX) {
      throw unauthenticated();
    }
    const bytes = Buffer.from(about!, "base64url");
    const expected = macOf(key, call, bytes);
    const presented = Buffer.from(mac, "base64url");
    if (presented.length !== expected.length || !timingSafeEqual(presented, expected)) {
      throw unauthenticated();
    }
    const { kind, name, at_ms: atMs } = schema.parse(JSON.parse(bytes.toString()));
    const aheadMs = atMs - this.#nowMs();
    if (Math.abs(aheadMs) > AGE_MS_MAX) throw clocksApart(aheadMs);
    return { kind, name };
  }
}

function clocksApart(aheadMs: number): LedgerError {
  const where = aheadMs > 0 ? `${aheadMs} ms ahead of` : `${-aheadMs} ms behind`;
  const message = `the clock of the node that passed this call on is ${where} the clock of the leader; ${AGE_MS_MAX} ms are the limit`;
  return new LedgerError("CLOCK_SKEW", message, { details: { aheadMs }, retryAfterMs: RETRY_MS });
}

/** Does a text that cannot be verified say that it is about anybody? */
export function claimsNobody(text: unknown): boolean {
  if (typeof text !== "string" || text.length > TEXT_MAX) return false;
  try {
    const about = Buffer.from(text.split(".", 1)[0]!, "base64url").toString();
    return schema.parse(JSON.parse(about)).kind === "anonymous";
  } catch {
    return false;
  }
}

function macOf(key: Uint8Array, { path, request }: IdentifiedCall, about: Buffer): Buffer {
  const digest = createHash("sha256").update(request).digest();
  // Neither the label nor a path holds a zero byte, and the digest has one length.
  return createHmac("sha256", key)
    .update(`${LABEL}\0${path}\0`)
    .update(digest)
    .update(about)
    .digest();
}
