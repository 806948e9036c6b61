/** A vault to work in, on a real node. */
import type { admin } from "@authledger/proto";
import type { Client } from "@grpc/grpc-js";
import { type CallOptions, call } from "./harness.js";

/** Creates an organization and a vault in it. */
export async function createVault(
  client: Client,
  options: CallOptions = {},
): Promise<{ organization: bigint; vault: bigint }> {
  const made = await call<admin.CreateOrganizationResponse>(
    client,
    ["admin", "createOrganization"],
    { name: "acme" },
    options,
  );
  const organization = made.organization!.slug;
  const { vault } = await call<admin.CreateVaultResponse>(
    client,
    ["admin", "createVault"],
    { organization, name: "main" },
    options,
  );
  return { organization, vault: vault!.slug };
}
