/** How output looks: colours and the form of notes. Known from flags and environment alone, before anything can fail. */
import { suggestion } from "@authledger/types";
import { COLOR_MODES, type ColorMode, type Style, styleFor } from "../output/style.js";
import type { CliIo } from "./cli-io.js";
import { LOG_FORMATS, type LogFormat } from "./notes.js";
import { type GlobalFlags, usage } from "./settings.js";

export interface Look {
  readonly out: Style;
  readonly err: Style;
  readonly logFormat: LogFormat;
}

/** @throws LedgerError USAGE */
export function lookOf({ color = "auto", logFormat = "text" }: GlobalFlags, io: CliIo): Look {
  const mode: ColorMode = oneOf(color, COLOR_MODES, "color");
  return {
    out: styleFor(mode, io.env, io.terminal !== undefined),
    err: styleFor(mode, io.env, io.isErrTerminal),
    logFormat: formatOf(oneOf(logFormat, LOG_FORMATS, "log-format"), io),
  };
}

/** For messages about a command line that could not be read: what can be seen of it counts. */
export function lookOfArguments(args: readonly string[], io: CliIo): Look {
  const given = (name: string): string | undefined => {
    const at = args.findIndex((one) => one === name || one.startsWith(`${name}=`));
    return args[at]?.slice(name.length + 1) || args[at + 1];
  };
  const [color, logFormat] = [given("--color"), given("--log-format")];
  try {
    return lookOf({ ...(color && { color }), ...(logFormat && { logFormat }) }, io);
  } catch {
    return lookOf({}, io);
  }
}

function formatOf(format: (typeof LOG_FORMATS)[number], { isErrTerminal }: CliIo): LogFormat {
  if (format !== "auto") return format;
  return isErrTerminal ? "text" : "json";
}

function oneOf<T extends string>(text: string, known: readonly T[], flag: string): T {
  const found = known.find((one) => one === text);
  if (found !== undefined) return found;
  throw usage(`--${flag} "${text}" is not one of ${known.join(", ")}${suggestion(text, known)}`);
}
