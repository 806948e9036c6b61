/**
 * Who calls: by what another node vouches for, by the bearer credential, or by the certificate of the connection, in this order.
 *
 *   INV-AUTHN-8  Where credentials are required a call without one passes only when it begins a cluster that has no root
 *                credential yet, from this machine; or asks from there for the state of a node that cannot know of one.
 *
 *   INV-AUTHN-10  A call that stays open ends when the key or token that it came with is refused, and when the certificate has expired.
 *
 *   INV-AUTHN-11  A call counts as passed on by a node only where the node vouched for it: the metadata that says so is not believed.
 *
 * A credential that is there is looked at wherever it comes: one that is wrong is refused also where none is required.
 */
import { IDENTITY_KEY } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import type { Authenticator } from "../authn/authenticator.js";
import { unauthenticated } from "../authn/credential-source.js";
import { claimsNobody, type ForwardedIdentity } from "../authn/forwarded-identity.js";
import { isLoopbackPeer } from "../loopback.js";
import { requestBytes } from "../request-bytes.js";
import type { GateStep } from "./gate.js";
import type { GatedCall, WireCall } from "./gated-call.js";
import type { MethodInfo } from "./method.js";
import type { Principal } from "./principal.js";

const BEARER = /^Bearer +([\x21-\x7e]+)$/i;
const ROOT: Principal = { kind: "root", name: "root" };
/** A new voter has the key after a few round trips. */
const RETRY_MS = 50;
/** What begins a cluster: the call, and what its callers ask before. */
const BEGINNING: ReadonlySet<string> = new Set(["initCluster", "getClusterStatus"]);
const NO_CREDENTIAL = "the call carries no credential, and this ledger serves nobody without";
/**
 * A node may listen where no loopback address reaches it. Its own network address is no sign of its machine: what a proxy or a
 * translation of addresses passes on can come from there. Whoever asks is told the same, whether there is a root or not.
 */
const BEGIN =
  "a cluster that has no root yet is begun over a loopback address of its node's machine: listen on 0.0.0.0 with --advertise-client HOST:PORT and ask 127.0.0.1, or let --expect begin it";

export interface AuthenticateDeps {
  readonly authenticator: Authenticator;
  readonly identity: ForwardedIdentity;
  /** Whom the certificate of a client's connection stands for; absent where clients show none. */
  readonly certificateOf?: ((peer: string) => Principal | undefined) | undefined;
  /** Told of each call that a node has vouched for. */
  readonly onForwarded?: ((call: WireCall) => void) | undefined;
  /** By this node's configuration, or because the cluster has a root credential. */
  readonly isRequired: (method: MethodInfo) => boolean;
  /** Called before `isRequired`: resolves when that was looked up again; undefined where there is no need. */
  readonly lookAgain?: ((method: MethodInfo) => Promise<void> | undefined) | undefined;
  /** The cluster has a root credential already, or may have, as far as it matters to the call. */
  readonly hasRoot: (method: MethodInfo) => boolean;
}

export class AuthenticateStep implements GateStep {
  readonly #deps: AuthenticateDeps;

  constructor(deps: AuthenticateDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError UNAUTHENTICATED, CREDENTIAL_EXPIRED, OVERLOADED, NOT_READY, CLOCK_SKEW; at once or by rejection */
  enter(call: GatedCall): void | Promise<void> {
    const { metadata } = call.wire;
    const identities = metadata.get(IDENTITY_KEY);
    if (identities.length > 0) {
      this.#forwarded(call, identities);
      return undefined;
    }
    const credentials = metadata.get("authorization");
    if (credentials.length > 0) return this.#bearer(call, credentials);
    const certified = this.#deps.certificateOf?.(call.wire.getPeer());
    if (certified === undefined) return this.#without(call);
    call.principal = certified;
    return undefined;
  }

  #without(call: GatedCall): void | Promise<void> {
    const { isRequired, lookAgain } = this.#deps;
    const judge = (): void => {
      if (isRequired(call.method)) call.principal = this.#beginner(call);
    };
    return lookAgain?.(call.method)?.then(judge) ?? judge();
  }

  /**
   * Of a call that stays open: the credential may have been revoked, or have expired, since it began.
   * @throws LedgerError UNAUTHENTICATED, CREDENTIAL_EXPIRED; at once or by rejection
   */
  again(call: GatedCall): void | Promise<void> {
    const { metadata } = call.wire;
    if (metadata.get(IDENTITY_KEY).length > 0) return undefined;
    const credentials = metadata.get("authorization");
    if (credentials.length > 0) return this.#bearer(call, credentials);
    if (call.principal.kind === "certificate") this.#stillCertified(call);
    return undefined;
  }

  #stillCertified({ wire, principal }: GatedCall): void {
    const certified = this.#deps.certificateOf?.(wire.getPeer());
    if (certified?.name === principal.name) return;
    throw unauthenticated("the certificate of the connection has expired since the call began");
  }

  #bearer(call: GatedCall, [credential, ...others]: readonly unknown[]): void | Promise<void> {
    const match = typeof credential === "string" ? BEARER.exec(credential) : null;
    if (match === null || others.length > 0) throw unauthenticated();
    const found = this.#deps.authenticator.authenticate(match[1]!);
    if (!(found instanceof Promise)) {
      call.principal = found;
      return undefined;
    }
    return found.then((principal) => {
      call.principal = principal;
    });
  }

  #forwarded(call: GatedCall, identities: readonly unknown[]): void {
    if (!this.#deps.identity.hasKey) {
      this.#unverified(call, identities);
      return;
    }
    call.principal = this.#vouchedFor(call, identities);
    const isNobody = call.principal.kind === "anonymous";
    if (isNobody && this.#deps.isRequired(call.method)) throw unauthenticated();
    call.isForwarded = true;
    this.#deps.onForwarded?.(call.wire);
  }

  /**
   * A voter may lead before it has the log seed, and cannot tell then who vouches. Whom anybody may be is let in, as one who was not
   * passed on; for everybody else it is too early.
   */
  #unverified({ method }: GatedCall, [text]: readonly unknown[]): void {
    if (!this.#deps.isRequired(method) && claimsNobody(text)) return;
    const message =
      "this node has not received the cluster's key yet, by which nodes vouch for callers";
    throw new LedgerError("NOT_READY", message, { retryAfterMs: RETRY_MS });
  }

  #vouchedFor({ method, wire }: GatedCall, [text, ...others]: readonly unknown[]): Principal {
    const request = requestBytes(wire.request);
    if (typeof text !== "string" || others.length > 0 || request === undefined) {
      throw unauthenticated();
    }
    return this.#deps.identity.verify(text, { path: method.path, request });
  }

  /** @throws LedgerError UNAUTHENTICATED unless a cluster begins */
  #beginner({ method, wire }: GatedCall): Principal {
    const isBeginning = method.service === "ClusterService" && BEGINNING.has(method.name);
    const isFromHere = isLoopbackPeer(wire.getPeer());
    if (isBeginning && isFromHere && !this.#deps.hasRoot(method)) return ROOT;
    throw unauthenticated(
      isBeginning && !isFromHere ? `${NO_CREDENTIAL}; ${BEGIN}` : NO_CREDENTIAL,
    );
  }
}
