/**
 * The layers of docs/ARCHITECTURE.md as rules: what each package may import. Deep imports are closed by the
 * packages' `exports`; cycles inside a package are refused too.
 */
export const may = {
  types: [],
  io: ["types"],
  proof: ["types"],
  store: ["types", "io"],
  wal: ["types", "io"],
  raft: ["types"],
  authz: ["types", "proof"],
  state: ["types", "proof", "store"],
  engine: ["types", "io", "proof", "store", "wal", "raft", "authz", "state"],
  proto: [],
  server: ["types", "proof", "authz", "proto", "engine"],
  sdk: ["types", "proof", "authz", "proto"],
  cli: ["types", "proof", "authz", "sdk", "server", "engine"],
  simulator: ["types", "io", "proof", "store", "wal", "raft", "authz", "state", "engine"],
};
const pure = "types|proof|raft|authz|state";

const layers = Object.entries(may).map(([name, allowed]) => ({
  name: `layer-${name}`,
  severity: "error",
  comment: `packages/${name} may import ${allowed.join(", ") || "no other package"}`,
  from: { path: `^packages/${name}/src` },
  to: { path: "^packages/", pathNot: `^packages/(${[name, ...allowed].join("|")})/` },
}));

export default {
  forbidden: [
    ...layers,
    { name: "no-cycles", severity: "error", from: { path: "^packages" }, to: { circular: true } },
    {
      name: "pure-packages",
      severity: "error",
      comment: "no Node built-in where state and proofs are computed",
      from: { path: `^packages/(${pure})/src` },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "not-to-unresolvable",
      severity: "error",
      from: { path: "^packages/[^/]+/src" },
      to: { couldNotResolve: true },
    },
    {
      name: "not-to-tests",
      severity: "error",
      from: { path: "^packages/[^/]+/src" },
      to: { path: "^(packages/[^/]+/test|test)/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|gen|node_modules)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "types", "node", "default"],
      extensions: [".ts", ".js", ".mjs"],
    },
  },
};
