/**
 * A terminal's window that is drawn anew without flicker: the alternate screen, so that what was there comes back,
 * each line overwritten in place and cut at the edge, the whole frame as one write.
 */
import type { Terminal } from "../run/cli-io.js";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const ERASE_LINE_END = "\u001b[K";
const ERASE_BELOW = "\u001b[J";
/** Synchronized output: terminals that know it show the frame at once, others ignore it. */
const BEGIN = "\u001b[?2026h";
const END = "\u001b[?2026l";
const RESET = "\u001b[0m";
const ESCAPE = "\u001b";
/** Either one sequence that takes no room, or one character that does. */
const PART = new RegExp(`${ESCAPE}\\[[0-9;]*m|[\\s\\S]`, "gu");

export class Screen {
  readonly #out: (text: string) => Promise<void>;
  readonly #terminal: Terminal;
  readonly #stopResize: () => void;
  readonly #restore: () => void;
  #lines: readonly string[] = [];
  #isOpen = false;

  constructor(out: (text: string) => Promise<void>, terminal: Terminal) {
    this.#out = out;
    this.#terminal = terminal;
    // A window that takes nothing any more is met by the next look too, which somebody waits for.
    this.#stopResize = terminal.onResize(() => void this.draw(this.#lines).catch(() => undefined));
    // A bug elsewhere must not leave a window without cursor.
    this.#restore = () => void (this.#isOpen && this.#out(LEAVE));
    process.once("exit", this.#restore);
  }

  /** Shows these lines, as many as fit. */
  async draw(lines: readonly string[]): Promise<void> {
    this.#lines = lines;
    const { columns, rows } = this.#terminal.size();
    const whole = lines.at(-1) === "" ? lines.slice(0, -1) : lines;
    const isCut = whole.length > rows;
    const shown = isCut ? whole.slice(0, rows - 1) : whole;
    const more = isCut ? [`... ${whole.length - shown.length} more lines`] : [];
    const text = [...shown, ...more]
      .map((line) => `${cutLine(line, columns)}${ERASE_LINE_END}`)
      .join("\r\n");
    const enter = this.#isOpen ? "" : ENTER;
    this.#isOpen = true;
    await this.#out(`${enter}${BEGIN}${HOME}${text}${ERASE_BELOW}${END}`);
  }

  /** Gives the window back as it was. */
  async close(): Promise<void> {
    this.#stopResize();
    process.removeListener("exit", this.#restore);
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#out(LEAVE);
  }
}

/** As much of a line as fits; colours take no room and are ended. */
export function cutLine(line: string, columns: number): string {
  let room = columns;
  let text = "";
  let isColored = false;
  for (const [part] of line.matchAll(PART)) {
    const isSequence = part.length > 1 && part.startsWith(ESCAPE);
    if (!isSequence && room === 0) return text + (isColored ? RESET : "");
    if (!isSequence) room -= 1;
    else isColored = true;
    text += part;
  }
  return text;
}
