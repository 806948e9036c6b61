/** Languages in which models are written. Apart from the evaluator: its parsers are large, and only who deploys needs them. */
export type { AuthorizationModel } from "../model/model.js";
export { type ModelProblem, problemsOf } from "../model/model-problem.js";
export { formatOpenFga } from "./format-openfga.js";
export { generateTypes } from "./generate-types.js";
export { readLedgerModel, validateLedgerModel } from "./ledger-model.js";
export { parseModFile, parseModules } from "./modules.js";
export { isOpenFgaObjectId } from "./object-id.js";
export { parseOpenFga } from "./openfga.js";
export { fromOpenFgaJson } from "./openfga-json.js";
export { parseSpiceDb } from "./spicedb.js";
export { readModel, validateModel } from "./validate.js";
