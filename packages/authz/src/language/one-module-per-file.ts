/** Checks what OpenFGA's JSON says of the files that a model came from: a file can hold one module only. */
import type { ModelProblem } from "../model/model-problem.js";

interface About {
  readonly module?: unknown;
  readonly source_info?: { readonly file?: unknown } | null;
  readonly relations?: Readonly<Record<string, About | null>> | null;
}

interface Parts {
  readonly type_definitions?: readonly { readonly metadata?: About | null }[] | null;
  readonly conditions?: Readonly<Record<string, { readonly metadata?: About | null }>> | null;
}

/** @param json a model whose shape is known to be right */
export function filesOfManyModules(json: unknown): readonly ModelProblem[] {
  const { type_definitions, conditions } = json as Parts;
  const modules = new Map<string, Set<string>>();
  const note = (about: About | null | undefined): void => {
    const { module, source_info, relations } = about ?? {};
    const file = source_info?.file;
    if (typeof file === "string" && typeof module === "string") {
      modules.set(file, (modules.get(file) ?? new Set()).add(module));
    }
    for (const relation of Object.values(relations ?? {})) note(relation);
  };
  for (const { metadata } of type_definitions ?? []) note(metadata);
  for (const { metadata } of Object.values(conditions ?? {})) note(metadata);
  return [...modules]
    .filter(([, of]) => of.size > 1)
    .map(([file, of]) => ({
      kind: "multiple-modules-in-file",
      message: `file ${file} would contain multiple module definitions (${[...of].join(", ")}) when transforming to DSL. Only one module can be defined per file.`,
      symbol: file,
    }));
}
