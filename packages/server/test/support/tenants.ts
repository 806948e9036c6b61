/**
 * Two organizations and their people on a real engine behind the gate. Who calls is said by the call's metadata, in place of a
 * credential: what is tested is what a caller may do, not how it shows who it is.
 */
import { type Engine, openNodeEngine } from "@authledger/engine";
import type { iam } from "@authledger/proto";
import { type Client, Metadata } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { ClusterConfig } from "../../src/config/cluster-config.js";
import { RuntimeConfig } from "../../src/config/runtime-config.js";
import { AuthorizeStep } from "../../src/gate/authorize.js";
import { DeadlineStep } from "../../src/gate/deadline.js";
import { Gate, type GateStep } from "../../src/gate/gate.js";
import { ANONYMOUS, type Principal } from "../../src/gate/principal.js";
import { startGrpcServer } from "../../src/grpc-server.js";
import { Roles } from "../../src/iam/roles.js";
import { RpcMeters } from "../../src/metrics.js";
import { Protection } from "../../src/protection/protection.js";
import { SystemMoves } from "../../src/system/system-moves.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { call, connect, pageTokenKeysOf } from "./harness.js";
import { limitsOf } from "./limits.js";
import { createVault } from "./vault.js";

export const ROOT = "root";
const WHO = "test-principal";

/** Believes what the call says. */
const authenticate: GateStep = {
  enter: (gated) => {
    const name = gated.wire.metadata.get(WHO)[0]?.toString();
    gated.principal = name === undefined ? ANONYMOUS : principalOf(name);
  },
};

function principalOf(name: string): Principal {
  return { kind: name === ROOT ? "root" : "key", name };
}

/** A call of somebody. */
export function as(name: string): { readonly metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set(WHO, name);
  return { metadata };
}

interface Tenant {
  readonly organization: bigint;
  readonly vault: bigint;
}

export interface Tenants {
  readonly engine: Engine;
  readonly client: Client;
  readonly address: string;
  readonly roles: Roles;
  readonly gate: Gate;
  readonly acme: Tenant;
  readonly other: Tenant;
  /** By root. */
  readonly grant: (principal: string, role: iam.Role, on?: Scope) => Promise<void>;
  readonly revoke: (principal: string, role: iam.Role, on?: Scope) => Promise<void>;
}

export type Scope = Partial<Pick<iam.RoleBinding, "organization" | "vault" | "group">>;

export function binding(principal: string, role: iam.Role, on: Scope = {}): iam.RoleBinding {
  const nothing = { organization: 0n, vault: 0n, group: "", expiresAtMs: 0n, version: 0n };
  return { ...nothing, ...on, principal, role };
}

export async function startTenants(): Promise<Tenants> {
  const fail = (error: Error): void => {
    throw error;
  };
  const options = { directory: temporaryDirectory(), cacheBytes: 16 * 1024 * 1024 };
  const engine = await openNodeEngine(options, fail);
  const moves = new SystemMoves(engine);
  const roles = new Roles(engine, moves);
  const authorize = new AuthorizeStep({ roles, isOpen: () => false });
  const gate = new Gate([authenticate, new DeadlineStep(), authorize]);
  moves.onMove(() => gate.open.recheckSoon());
  moves.start();
  const config = new RuntimeConfig();
  const system = new SystemVault(engine);
  const quiet = { onChange: () => undefined, onProblem: () => undefined };
  const limits = { streamsPerConnection: 1_024, connectionsMax: 4_000 };
  const protection = new Protection(() => config.values, limits);
  const pageTokenKeys = pageTokenKeysOf(engine.pageTokenKey);
  const about = { version: "1.2.3", startedAtMs: 77, httpAddress: "127.0.0.1:7402" };
  const server = await startGrpcServer(
    { host: "127.0.0.1", port: 0, streamsPerConnection: 1_024, pageTokenKeys, ...about },
    {
      ...{ engine, roles, gate, ...protection.parts, isStopped: () => false },
      config: { runtime: config, cluster: new ClusterConfig({ ...quiet, config, system }) },
      limits: limitsOf(engine, protection),
      meters: new RpcMeters(() => undefined),
      onBug: fail,
    },
  );
  onTestFinished(async () => {
    await server.stop(0);
    moves.stop();
    await engine.close();
  });
  const address = `127.0.0.1:${server.port}`;
  const client = connect(address);
  const change =
    (method: "grantRole" | "revokeRole") =>
    async (...about: Parameters<typeof binding>): Promise<void> => {
      const request = { binding: binding(...about), reason: "" };
      await call(client, ["iam", method], request, as(ROOT));
    };
  const [acme, other] = [await createVault(client, as(ROOT)), await createVault(client, as(ROOT))];
  const granting = { grant: change("grantRole"), revoke: change("revokeRole") };
  return { engine, client, address, roles, gate, acme, other, ...granting };
}
