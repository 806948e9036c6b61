/** What all calls of one client share: connections, the tenant, the verifier; each made when first needed. */
import { admin, read } from "@authledger/proto";
import type { LedgerError } from "@authledger/types";
import { policyBundleOf } from "./calls/convert.js";
import type { StreamNext, UnaryNext } from "./hooks/interceptors.js";
import { observed, observedStream, outgoing } from "./hooks/observed.js";
import { type ClientOptions, coalesceOf, type VaultName, vaultNameOf } from "./options.js";
import type {
  Connection,
  EndpointInfo,
  Repeat,
  RepeatOptions,
  Surroundings,
  UnaryMethod,
} from "./transport/connection.js";
import type { StreamMethod, StreamOptions } from "./transport/stream.js";
import { DecisionJudge } from "./verify/proven-decisions.js";
import { TokenHeights } from "./verify/token-heights.js";
import { VaultVerifier } from "./verify/verify.js";

export class Session {
  readonly options: ClientOptions;
  readonly #surroundings: Surroundings;
  #connection: Connection | undefined;
  #verifier: VaultVerifier | undefined;
  #isClosed = false;
  readonly #isObserved: boolean;
  /** Decides again what is decided about the vault. */
  readonly decisions: DecisionJudge = new DecisionJudge();
  readonly #tokens = new TokenHeights();

  constructor(options: ClientOptions, surroundings: Surroundings) {
    const { interceptors = [], metrics, tracing } = options;
    this.#isObserved = interceptors.length > 0 || metrics !== undefined || tracing !== undefined;
    this.options = options;
    this.#surroundings = surroundings;
  }

  /** @throws LedgerError (by rejection), of wrong options too */
  async call<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    options: RepeatOptions | undefined,
    repeat: Repeat = "repeatable",
  ): Promise<Res> {
    const connection = this.#open();
    if (!this.#isObserved) return connection.call(method, request, repeat, options);
    const last: UnaryNext = ({ request: message, ...more }) =>
      connection.call(method, message as Req, repeat, { ...more, failures: options?.failures });
    const call = outgoing(method.path, request, options);
    return (await observed(this.options, call, last)) as Res;
  }

  /** One attempt at a stream. @throws LedgerError (by rejection), of wrong options too */
  async *stream<Req, Res>(
    method: StreamMethod<Req, Res>,
    request: Req,
    options: StreamOptions,
  ): AsyncGenerator<Res> {
    const connection = this.#open();
    const { interceptors = [], tracing } = this.options;
    if (interceptors.length === 0 && tracing === undefined) {
      return yield* connection.stream(method, request, options);
    }
    const { silenceMs } = options;
    const last: StreamNext = ({ request: message, ...more }) =>
      connection.stream(method, message as Req, { ...more, silenceMs });
    const call = outgoing(method.path, request, options);
    yield* observedStream(this.options, call, last) as AsyncIterable<Res>;
  }

  endpoints(): readonly EndpointInfo[] {
    return this.#open().endpoints();
  }

  /** The error of a call whose time is up while the request that it travels in goes on. */
  overdue(call: string, deadlineMs: number): LedgerError {
    return this.#open().overdue(call, deadlineMs);
  }

  /** May calls of one tick become one request? @throws LedgerError INVALID_ARGUMENT */
  isCoalescing(): boolean {
    return coalesceOf(this.options);
  }

  /** @throws LedgerError SLUG_REQUIRED, INVALID_ARGUMENT */
  vault(): VaultName {
    return vaultNameOf(this.options.tenant);
  }

  /**
   * The same connections for calls about another vault, which is verified where this one is; the session itself for its own.
   * @param anchor where trust in the other vault begins; absent: what is pinned, or trust on first use where that is allowed
   */
  forVault(name: VaultName, anchor?: string): Session {
    const { tenant, verify } = this.options;
    const isOwn = [
      [tenant?.organization, name.organization],
      [tenant?.vault, name.vault],
    ].every(([own, other]) => String(own ?? "") === String(other));
    if (isOwn && anchor === undefined) return this;
    const options = { ...this.options, tenant: name, verify: verify && { ...verify, anchor } };
    return new Session(options, { ...this.#surroundings, connect: () => this.#open() });
  }

  /** Undefined where answers are not verified. @throws LedgerError SLUG_REQUIRED, INVALID_ARGUMENT */
  verifier(): VaultVerifier | undefined {
    const { verify } = this.options;
    if (verify === undefined) return undefined;
    this.#verifier ??= this.#createVerifier(verify);
    return this.#verifier;
  }

  /** What came with tokens of the vault; undefined where answers are not verified. */
  get tokens(): TokenHeights | undefined {
    return this.options.verify && this.#tokens;
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  /** @throws LedgerError INVALID_ARGUMENT */
  #open(): Connection {
    this.#connection ??= this.#surroundings.connect(this.options);
    if (this.#isClosed) this.#connection.close();
    return this.#connection;
  }

  #createVerifier(verify: NonNullable<ClientOptions["verify"]>): VaultVerifier {
    const name = this.vault();
    const { getTrustAnchor } = admin.AdminServiceService;
    const { getConsistencyProof, listPolicyBundles } = read.ReadServiceService;
    const calls = {
      anchor: async () => (await this.call(getTrustAnchor, name, undefined)).anchor,
      consistency: async (fromSize: bigint, toSize: bigint) => {
        const request = { ...name, fromSize, toSize };
        const { proof } = await this.call(getConsistencyProof, request, undefined);
        return proof.map((hash) => new Uint8Array(hash));
      },
      policyBundles: async (epoch: number, trustedSize: bigint) => {
        const request = { ...name, epoch: BigInt(epoch), trustedSize };
        const { bundles, newestEpoch } = await this.call(listPolicyBundles, request, undefined);
        return { bundles: bundles.map(policyBundleOf), newestEpoch: Number(newestEpoch) };
      },
    };
    const { nowMs, crypto } = this.#surroundings;
    return new VaultVerifier(verify, { name, calls, crypto, nowMs });
  }
}
