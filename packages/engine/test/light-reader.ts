/** A client of one vault that believes nothing: every answer goes through the light client of the proof package. */
import {
  askState,
  parseTrustAnchor,
  type StateAnswer,
  type StateQuery,
  type TrustState,
  trustFromAnchor,
  tupleKey,
  type VerifiedAnswer,
  verifyAnswer,
  type Wanted,
} from "@authledger/proof";
import type { Tuple } from "@authledger/types";
import type { AnswerProof, Engine } from "../src/index.js";
import { clientDeps, LINEARIZABLE, type TestNode } from "./engine-support.js";

const NONE = new Uint8Array(0);

export class LightReader {
  readonly vault: number;
  trust: TrustState;

  constructor(vault: number, anchor: string) {
    this.vault = vault;
    this.trust = trustFromAnchor(parseTrustAnchor(clientDeps.hasher, anchor));
  }

  static async of(engine: Engine, vault: number): Promise<LightReader> {
    const { anchor } = await engine.call("get_trust_anchor", { vault });
    return new LightReader(vault, anchor);
  }

  get prove(): { trustedSize: number; configHash: Uint8Array } {
    const { head, configHash } = this.trust;
    return { trustedSize: Number(head.size), configHash: configHash ?? NONE };
  }

  /** Verifies an answer about the newest height and keeps the trust. */
  verify(proof: AnswerProof, nowMs: number, want: Wanted = "current"): VerifiedAnswer {
    const wanted = { want, nowMs, maxAgeS: 10, maxSkewS: 2 };
    const verified = verifyAnswer(this.trust, proof, wanted, clientDeps);
    this.trust = verified.trust;
    return verified;
  }

  /** Verifies an answer and asks it all the questions that it was made for. */
  ask(
    proof: AnswerProof,
    queries: readonly StateQuery[],
    nowMs: number,
    want: Wanted = "current",
  ): StateAnswer[] {
    const { state, timeMs } = this.verify(proof, nowMs, want);
    return queries.map((query) => askState(state!, query, timeMs));
  }

  /** Asks a node for tuples and checks every one of its answers against the proof. */
  async check({ engine, time }: TestNode, tuples: readonly Tuple[]): Promise<boolean[]> {
    const { vault, prove } = this;
    // The head is of the time of the question, whatever passes until the answer is here.
    const nowMs = time.wallMs;
    const request = { vault, consistency: LINEARIZABLE, tuples, prove };
    const { allowed, proof } = await engine.call("check", request);
    const queries = tuples.map((tuple) => ({ kind: "get", key: tupleKey(tuple) }) as const);
    return this.ask(proof!, queries, nowMs).map(({ kind }, i) => {
      if ((kind === "present") !== allowed[i]) throw new Error("answer and proof differ");
      return kind === "present";
    });
  }
}
