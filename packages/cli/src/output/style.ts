/** Colour, which only ever repeats what the words say. */

export const COLOR_MODES = ["auto", "always", "never"] as const;
export type ColorMode = (typeof COLOR_MODES)[number];

type Color = "bold" | "dim" | "red" | "green" | "yellow";

/** Select graphic rendition, ECMA-48: on and off. */
const CODES: Readonly<Record<Color, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** Words of results and states, as cells of a table hold them. */
const MEANINGS: Readonly<Record<string, Color>> = {
  ...colored("green", "allowed ok active verified current serving created present leader true"),
  ...colored("red", "denied damaged failed error refused corrupt stopped deleted"),
  ...colored(
    "yellow",
    "deleting suspended read_only migrating starting historical not_ready absent",
  ),
};

export type Style = (color: Color, text: string) => string;

export const PLAIN: Style = (_color, text) => text;
export const COLORED: Style = (color, text) => {
  const [on, off] = CODES[color];
  return `\u001b[${on}m${text}\u001b[${off}m`;
};

/** A flag beats NO_COLOR (no-color.org), which beats the terminal. */
export function styleFor(
  mode: ColorMode,
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): Style {
  if (mode !== "auto") return mode === "always" ? COLORED : PLAIN;
  const isUnwanted = Boolean(env["NO_COLOR"]) || env["TERM"] === "dumb";
  return isTerminal && !isUnwanted ? COLORED : PLAIN;
}

/** Colours a padded cell whose text has a meaning of its own. */
export function styleCell(style: Style, cell: string, text: string): string {
  const color = Object.hasOwn(MEANINGS, text) ? MEANINGS[text] : undefined;
  return color === undefined ? cell : style(color, text) + cell.slice(text.length);
}

function colored(color: Color, words: string): Record<string, Color> {
  return Object.fromEntries(words.split(" ").map((word) => [word, color]));
}
