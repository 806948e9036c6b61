/** What lists of models tell of one. */
import type { ModelAbout, ModelBody } from "../records.js";

export function aboutModel(
  { language, model }: Pick<ModelBody, "language" | "model">,
  stamp: Pick<ModelAbout, "hash" | "deployedAtMs" | "deployedBy">,
): ModelAbout {
  const types = Object.values(model.types);
  const relations = types.reduce((sum, type) => sum + Object.keys(type.relations).length, 0);
  const conditions = Object.keys(model.conditions).length;
  return { ...stamp, language, schema: model.schema, types: types.length, relations, conditions };
}
