/**
 * What each RPC needs: one row for every method that a node serves, and nothing is served without one.
 *
 *   INV-ROLE-6  Every method of every service has a row; a node with a method that has none does not start.
 *
 * docs/operations.md shows this table; a test compares them.
 */
import { LedgerError } from "@authledger/types";
import { RANK, type Rank } from "../iam/role-ranks.js";

/** Of what the caller needs the role. */
type RuleScope =
  /** Of nothing, but the caller must be known. */
  | "known"
  /** Nodes of the cluster call it for themselves, and nobody else may. */
  | "node"
  | "cluster"
  /** The organization that the request names. */
  | "organization"
  /** The organization that the request names; where it names none, being administrator of the cluster. */
  | "organization or cluster"
  /** The vault that the request names. */
  | "vault"
  /** What a role is asked for or given on: cluster, organization, vault, or a group (which is the cluster's). */
  | "binding";

export interface MethodRule {
  readonly scope: RuleScope;
  readonly rank: Rank;
  /** Changes what a vault holds, so never the system's own. */
  readonly isWrite: boolean;
}

const known: MethodRule = { scope: "known", rank: RANK.none, isWrite: false };
const node: MethodRule = { scope: "node", rank: RANK.none, isWrite: true };
const operates: MethodRule = { scope: "cluster", rank: RANK.operator, isWrite: false };
const governs: MethodRule = { scope: "cluster", rank: RANK.administrator, isWrite: false };
const binds: MethodRule = { scope: "binding", rank: RANK.administrator, isWrite: true };
const reads: MethodRule = { scope: "vault", rank: RANK.reader, isWrite: false };
const writes: MethodRule = { scope: "vault", rank: RANK.writer, isWrite: true };
const manages: MethodRule = { scope: "vault", rank: RANK.manager, isWrite: true };
const deletes: MethodRule = { scope: "vault", rank: RANK.administrator, isWrite: true };
const seesOrganization: MethodRule = { scope: "organization", rank: RANK.reader, isWrite: false };
const seesOrganizationOrGoverns: MethodRule = {
  ...seesOrganization,
  scope: "organization or cluster",
};
const managesOrganization: MethodRule = {
  scope: "organization",
  rank: RANK.manager,
  isWrite: true,
};
const deletesOrganization: MethodRule = { ...managesOrganization, rank: RANK.administrator };

const RULES: Readonly<Record<string, Readonly<Record<string, MethodRule>>>> = {
  AdminService: {
    CreateOrganization: governs,
    GetOrganization: seesOrganization,
    DeleteOrganization: deletesOrganization,
    // Shows the caller those that it may read.
    ListOrganizations: known,
    CreateVault: managesOrganization,
    GetVault: reads,
    DeleteVault: deletes,
    ListVaults: seesOrganization,
    UpdateVault: manages,
    GetTrustAnchor: reads,
    GetNodeInfo: operates,
    Compact: operates,
    CheckIntegrity: operates,
    ExportSnapshot: governs,
    SuspendOrganization: governs,
    ResumeOrganization: governs,
    GetUsage: seesOrganization,
    GetConfig: operates,
    UpdateConfig: governs,
    SetQuota: governs,
    GetQuota: seesOrganizationOrGoverns,
    ListQuotas: governs,
    DeleteQuota: governs,
    GetHotKeys: governs,
  },
  AuthorizationService: {
    Check: reads,
    BatchCheck: reads,
    Expand: reads,
    ListObjects: reads,
    ListUsers: reads,
    ListRelations: reads,
    Explain: reads,
  },
  ClusterService: {
    // Clients find the nodes by it.
    GetClusterStatus: known,
    InitCluster: operates,
    AddMember: operates,
    PromoteMember: operates,
    RemoveMember: operates,
    TransferLeadership: operates,
    RecordAudit: node,
    GetPeers: known,
  },
  IamService: {
    GrantRole: binds,
    RevokeRole: binds,
    ListRoles: { ...binds, isWrite: false },
    CreateApiKey: governs,
    ListApiKeys: governs,
    RevokeApiKey: governs,
    WhoAmI: known,
  },
  ModelService: {
    // Looks at no vault.
    ValidateModel: known,
    DeployModel: manages,
    ActivateModel: manages,
    RollbackModel: manages,
    GetModel: reads,
    ListModels: reads,
    GetActiveModel: reads,
    DiffModels: reads,
    SetAssertions: manages,
    GetAssertions: reads,
  },
  ReadService: {
    Read: reads,
    BatchRead: reads,
    Check: reads,
    BatchCheck: reads,
    ListRelationships: reads,
    ListEntities: reads,
    ListResources: reads,
    GetClientState: reads,
    GetTip: reads,
    GetBlock: reads,
    GetCheckpoint: reads,
    GetConsistencyProof: reads,
    GetBlockRange: reads,
    ListChanges: reads,
    WatchBlocks: reads,
    GetBlockProof: reads,
    WatchChanges: reads,
    ListPolicyBundles: reads,
    ReportCheckpoint: reads,
  },
  WriteService: {
    Write: writes,
    BatchWrite: writes,
    DeleteByFilter: manages,
    // What it takes away does not come back, and no history tells of it.
    Erase: deletes,
  },
};

/** All rows, by path. @example METHOD_RULES.get("/authledger.v1.WriteService/Write") */
export const METHOD_RULES: ReadonlyMap<string, MethodRule> = new Map(
  Object.entries(RULES).flatMap(([service, methods]) =>
    Object.entries(methods).map(([method, rule]) => [`/authledger.v1.${service}/${method}`, rule]),
  ),
);

/** @throws LedgerError INTERNAL: a method without a row must not be served */
export function ruleOf(path: string): MethodRule {
  const rule = METHOD_RULES.get(path);
  if (rule !== undefined) return rule;
  throw new LedgerError("INTERNAL", `${path} has no row in the table of what calls need`);
}

/** @throws LedgerError INTERNAL for a service with a method of which nobody says what it needs */
export function requireRules(definition: object): void {
  for (const { path } of Object.values(definition) as { readonly path: string }[]) ruleOf(path);
}
