/**
 * The door to SpiceDB's parser. Its package offers its ES module to `import`, which does not load on Node: it imports
 * names from a CommonJS package whose names Node cannot see. Its CommonJS file does, and is named here by its path.
 */
export {
  type ParsedExpression,
  type ParsedObjectDefinition,
  parse,
} from "../../node_modules/@authzed/spicedb-parser-js/dist/index.cjs";
