/** Candidates for a tuple that is being typed: resource, then relation, then subject, from those that were seen. */
import type { Candidate, Seen } from "./completion-sources.js";

export function tupleCandidates(tuples: Seen["tuples"], current: string): Candidate[] {
  const hash = current.indexOf("#");
  const at = current.indexOf("@", hash);
  if (hash < 0) return resources(tuples, current);
  const resource = current.slice(0, hash);
  if (at < 0) {
    const own = tuples.filter((tuple) => tuple.resource === resource);
    const type = typeOf(resource);
    const alike = tuples.filter((tuple) => typeOf(tuple.resource) === type);
    const relations = (own.length > 0 ? own : alike).map(({ relation }) => relation);
    return partial(relations.map((relation) => `${resource}#${relation}@`));
  }
  const prefix = current.slice(0, at + 1);
  const stored = tuples.filter((one) => `${one.resource}#${one.relation}@` === prefix);
  const alike = stored.length > 0 ? stored : tuples;
  return [...new Set(alike.map(({ subject }) => `${prefix}${subject}`))].map((value) => ({
    value,
  }));
}

/** Types first, their resources when the type is there. */
function resources(tuples: Seen["tuples"], current: string): Candidate[] {
  if (current.includes(":")) return partial(tuples.map(({ resource }) => `${resource}#`));
  return partial(tuples.map(({ resource }) => `${typeOf(resource)}:`));
}

function typeOf(resource: string): string {
  return resource.slice(0, resource.indexOf(":"));
}

function partial(values: readonly string[]): Candidate[] {
  return [...new Set(values)].map((value) => ({ value, isPartial: true }));
}
