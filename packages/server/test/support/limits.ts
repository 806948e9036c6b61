/** What a server needs of limits, where nothing follows the system vault. */
import type { EnginePort } from "@authledger/engine";
import type { LimitDeps } from "../../src/admin-service.js";
import type { Protection } from "../../src/protection/protection.js";
import { Quotas } from "../../src/quota/quotas.js";
import { SystemVault } from "../../src/system/system-vault.js";

export function limitsOf(engine: EnginePort, protection: Protection): LimitDeps {
  return {
    quotas: new Quotas({ system: new SystemVault(engine), onProblem: () => undefined }),
    organizationRates: () => protection.organizationRates,
    hotKeys: () => protection.hotKeys.top,
  };
}
