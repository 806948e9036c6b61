/** What a node answers to callers without a credential while it cannot read whether its cluster has a root. */
import type { ClusterStatus, EngineCall, EngineReply } from "@authledger/engine";
import type { cluster } from "@authledger/proto";
import { type ErrorCode, LedgerError, nodeId, type Operation } from "@authledger/types";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { ROOT_KEY_ID } from "../../src/authn/api-key.js";
import { type Authn, openAuthn } from "../../src/authn/authn.js";
import { keyEntity } from "../../src/authn/key-record.js";
import { Connections } from "../../src/connections.js";
import { AuthorizeStep } from "../../src/gate/authorize.js";
import { Roles } from "../../src/iam/roles.js";
import { parseNodeConfig } from "../../src/index.js";
import { FakeEngine } from "../support/fake-engine.js";
import { call, failureOf, type Harness, startHarness } from "../support/harness.js";

const NONE = new Uint8Array(0);
const PROBLEM = "this node's state is not that of the others";

const STATUS: ClusterStatus = {
  ...{ nodeId: nodeId(1n), name: "n1", clusterId: "ab".repeat(16), role: "follower", term: 4 },
  ...{ commitIndex: 8, appliedIndex: 7, lastIndex: 9, isJoint: false, isRecovering: false },
  ...{ members: [], stateProblem: PROBLEM },
};

/** Nothing moves in it. */
class NodeEngine extends FakeEngine {
  override cluster = { cluster_status: () => STATUS };

  override async call<C extends EngineCall>(
    ...asked: Parameters<FakeEngine["call"]>
  ): Promise<EngineReply<C>> {
    if (asked[0] === "wait_blocks") return new Promise(() => undefined);
    return (await super.call(...asked)) as EngineReply<C>;
  }

  clusterKey(): undefined {
    return undefined;
  }
}

interface Started extends Harness {
  readonly stored: FakeEngine;
  readonly authn: Authn;
}

/** A node whose reads fail so from the beginning. */
async function start(code: ErrorCode, { auth = false } = {}): Promise<Started> {
  const stored = new NodeEngine();
  stored.failure = { call: "read_entities", error: new LedgerError(code, "not now") };
  const config = parseNodeConfig({ data: temporaryDirectory(), auth });
  const logger = pino({ level: "silent" });
  const authn = await openAuthn(config, { engine: stored, logger, connections: new Connections() });
  onTestFinished(() => authn.close());
  const roles = new Roles(stored, authn.moves);
  const authorize = new AuthorizeStep({ roles, isOpen: (method) => !authn.isRequired(method) });
  const h = await startHarness({ steps: [authn.step, authorize] });
  h.engine.cluster = { cluster_status: () => STATUS };
  return { ...h, stored, authn };
}

function status({ client }: Harness): Promise<cluster.GetClusterStatusResponse> {
  return call(client, ["cluster", "getClusterStatus"], { atLeader: false });
}

async function storeRoot({ authn }: Started): Promise<void> {
  const root: Operation = {
    ...{ op: "set_entity", key: keyEntity(ROOT_KEY_ID), value: NONE, expiresAtMs: 0 },
    condition: { kind: "must_not_exist" },
  };
  await authn.vault.write([root], { actor: "test" });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await failureOf(promise)).details.code;
}

// A wrong replica was started again: it could not read whether its cluster has a root, and refused `cluster status` with the
// error whose hint is to ask for `cluster status`. One with credentials demanded a key that it could not have looked up.
describe.each([false, true])("a node that cannot know of a root (credentials: %s)", (auth) => {
  it.each(["REPLICA_DIVERGED", "NOT_READY"] as const)(
    "INV-AUTHN-8: says why to who asks from this machine, and does nothing else (%s)",
    async (code) => {
      const h = await start(code, { auth });
      expect((await status(h)).stateProblem).toBe(PROBLEM);
      const refusal = auth ? "UNAUTHENTICATED" : code;
      const others = [
        call(h.client, ["admin", "listOrganizations"], { pageSize: 1, pageToken: NONE }),
        call(h.client, ["cluster", "initCluster"], { addresses: [] }),
        call(h.client, ["cluster", "transferLeadership"], { nodeId: 2n }),
        call(h.client, ["iam", "whoAmI"], {}),
      ];
      const codes = await Promise.all(others.map(codeOf));
      expect(codes).toEqual(codes.map(() => refusal));
      expect(h.engine.calls.map((made) => made.call)).toEqual(["cluster_status"]);
    },
  );

  it("INV-AUTHN-8: tells nobody without a credential of itself once it knows of one", async () => {
    const h = await start("NOT_READY", { auth });
    h.stored.failure = undefined;
    await storeRoot(h);
    await h.authn.root.start();
    expect(await codeOf(status(h))).toBe("UNAUTHENTICATED");
  });
});

// A node without credentials of its own waited, and was added to a cluster that has a root. Until it heard of the first move of the
// system vault, up to 250 ms behind, it took the look from before for an answer: everybody read everything.
it("a node that waited serves nobody without a credential from the call on that finds a root", async () => {
  const h = await start("NODE_WAITING");
  const whoAmI = (): Promise<unknown> => call(h.client, ["iam", "whoAmI"], {});
  await whoAmI();
  h.stored.failure = { call: "read_entities", error: new LedgerError("NOT_READY", "no data yet") };
  expect(await codeOf(whoAmI())).toBe("NOT_READY");
  await storeRoot(h);
  h.stored.failure = undefined;
  expect(await codeOf(whoAmI())).toBe("UNAUTHENTICATED");
  const looks = h.stored.requests("read_entities").length;
  expect(await codeOf(whoAmI())).toBe("UNAUTHENTICATED");
  expect(h.stored.requests("read_entities").length).toBe(looks);
});

it("a node that waited asks no more once it has read that there is no root", async () => {
  const h = await start("NODE_WAITING");
  h.stored.failure = undefined;
  await call(h.client, ["iam", "whoAmI"], {});
  const looks = h.stored.requests("read_entities").length;
  await call(h.client, ["iam", "whoAmI"], {});
  expect(h.stored.requests("read_entities").length).toBe(looks);
});
