/** The layers as a mermaid graph, from the table that dependency-cruiser enforces. */
import { may } from "../../.dependency-cruiser.mjs";
import { packageNames } from "./sources.mjs";

/** The graph of the packages that exist; an arrow that follows from others is left out. */
export function layerGraph() {
  const names = packageNames();
  const lines = names.flatMap((name) => {
    const imports = (may[name] ?? []).filter((other) => names.includes(other));
    const implied = new Set(imports.flatMap((other) => [...below(other)]));
    const arrows = imports.filter((other) => !implied.has(other));
    return arrows.length === 0 ? [`  ${name}`] : arrows.map((other) => `  ${name} --> ${other}`);
  });
  return ["```mermaid", "flowchart TD", ...lines, "```"].join("\n");
}

/**
 * Everything a package may reach through the packages it may import.
 *
 * @param {string} name
 * @returns {Set<string>}
 */
function below(name) {
  const direct = may[name] ?? [];
  return new Set(direct.flatMap((other) => [other, ...below(other)]));
}
