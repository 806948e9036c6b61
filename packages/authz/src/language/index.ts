/** Languages in which models are written. Apart from the evaluator: its parsers are large, and only who deploys needs them. */
export type { AuthorizationModel } from "../model/model.js";
export { parseOpenFga } from "./openfga.js";
export { fromOpenFgaJson } from "./openfga-json.js";
