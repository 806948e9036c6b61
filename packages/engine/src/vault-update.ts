/** What may change in a vault: its entity in the system vault is set again, and the vault's row follows from it. */
import {
  decodeEntity,
  encodeVaultEntity,
  type GroupState,
  type Outcome,
  readEntity,
  SYSTEM_VAULT,
  type VaultEntity,
  vaultEntityKey,
} from "@authledger/state";
import { assert, fromHex, LedgerError, type Operation } from "@authledger/types";
import type { EngineReply, EngineRequest } from "./port.js";
import { checkWritable, findVault, vaultInfo } from "./vault-lookup.js";
import type { OwnTransaction } from "./writes.js";

export interface VaultUpdateDeps {
  readonly state: GroupState;
  readonly propose: (vault: number, actor: string, transaction: OwnTransaction) => Promise<Outcome>;
}

/** @throws LedgerError VAULT_NOT_FOUND, ORGANIZATION_NOT_FOUND, ORGANIZATION_NOT_ACTIVE */
export async function updateVault(
  { state, propose }: VaultUpdateDeps,
  request: EngineRequest<"update_vault">,
): Promise<EngineReply<"update_vault">> {
  const row = findVault(state, request.organization, request.vault);
  checkWritable(state, row);
  const outcome = await propose(SYSTEM_VAULT, request.actor, {
    operationsMax: 1,
    operationsAt: () => [changed(state, request)],
    needsCurrentState: true,
    ...(request.reason !== undefined && { reason: request.reason }),
  });
  if (outcome.kind === "refused") {
    throw new LedgerError(outcome.code, outcome.message, { details: outcome.details });
  }
  return { vault: vaultInfo(state, findVault(state, request.organization, request.vault)) };
}

/** What is not named stays as it is when the operation is made, and must still be so when it is applied. */
function changed(
  state: GroupState,
  { organization, vault, name, retentionBlocks }: EngineRequest<"update_vault">,
): Operation {
  const key = vaultEntityKey(organization, vault);
  const found = readEntity(state.vault(SYSTEM_VAULT)!, key, 0);
  assert(found !== undefined, "a vault has an entity in the system vault", { key });
  const { vault_ref: reference, ...entity } = decodeEntity<VaultEntity>(found.value);
  const value = encodeVaultEntity({
    ...entity,
    vaultRef: fromHex(reference),
    ...(name !== undefined && { name }),
    ...(retentionBlocks !== undefined && { retention_blocks: retentionBlocks || undefined }),
  });
  const condition = { kind: "version_equals", version: found.version } as const;
  return { op: "set_entity", key, value, expiresAtMs: 0, condition };
}
