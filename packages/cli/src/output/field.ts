/** `--field a.b[0].c`: one part of what a command prints. `*` stands for every part of a level. */
import { LedgerError, suggestion } from "@authledger/types";
import { type JsonValue, jsonText } from "./json-value.js";
import { escapeControls } from "./table.js";

const STEP = /^([^.[\]]+)|^\[([0-9]+|\*)\]/;

/** @throws LedgerError USAGE when it is no path */
export function parseFieldPath(text: string): readonly string[] {
  const steps: string[] = [];
  let rest = text;
  while (rest !== "") {
    const [whole = "", name, index] = STEP.exec(rest) ?? [];
    if (whole === "") throw notPath(text);
    steps.push(name ?? index ?? "");
    rest = rest.slice(whole.length);
    if (rest.startsWith(".") && rest.length > 1) rest = rest.slice(1);
    else if (rest !== "" && !rest.startsWith("[")) throw notPath(text);
  }
  if (steps.length === 0) throw notPath(text);
  return steps;
}

/** Everything at the path. @throws LedgerError USAGE naming the fields that there are */
export function fieldValues(value: JsonValue, path: readonly string[]): readonly JsonValue[] {
  let values: readonly JsonValue[] = [value];
  path.forEach((step, depth) => {
    values = values.flatMap((one) => below(one, step, path.slice(0, depth)));
  });
  return values;
}

/** A value on a line of its own; objects and lists as JSON. */
export function fieldText(value: JsonValue): string {
  if (value === null) return "";
  return typeof value === "object" ? jsonText(value) : escapeControls(String(value));
}

function below(value: JsonValue, step: string, before: readonly string[]): readonly JsonValue[] {
  const isContainer = value !== null && typeof value === "object";
  if (step === "*" && isContainer) return Object.values(value) as JsonValue[];
  if (isContainer && Object.hasOwn(value, step)) {
    return [(value as Readonly<Record<string, JsonValue>>)[step]!];
  }
  const where = before.length === 0 ? "" : ` in ${before.join(".")}`;
  if (!isContainer) throw usage(`there is no field "${step}"${where}: it holds a single value`);
  const names = Object.keys(value);
  const known = names.length === 0 ? "it is empty" : `there are ${names.slice(0, 40).join(", ")}`;
  throw usage(`there is no field "${step}"${where}${suggestion(step, names)}; ${known}`);
}

function notPath(text: string): LedgerError {
  return usage(`--field "${text.slice(0, 80)}" is not a path such as height or groups[0].pages`);
}

function usage(message: string): LedgerError {
  return new LedgerError("USAGE", message);
}
