/** Grey images in the terminal: two pixels per character, one above the other, side by side. */

export interface Picture {
  /** Row-major, 0 (black) to 255. */
  readonly pixels: readonly number[];
  readonly side: number;
  readonly caption: string;
}

const UPPER_HALF = '▀';

/** @param color grey shades with ANSI colours; otherwise a pixel is on or off */
export function drawSideBySide(pictures: readonly Picture[], options: { width: number; color: boolean }): string {
  const [first] = pictures;
  if (first === undefined) return '';
  const full = pictures.length * (first.side + 2) <= options.width;
  const shown = pictures.map((picture) => (full ? picture : halved(picture)));
  const side = shown[0]?.side ?? 0;
  const lines = Array.from({ length: Math.ceil(side / 2) }, (_, y) =>
    shown.map((picture) => line(picture, 2 * y, options.color)).join('  '),
  );
  const captions = shown.map((picture) => picture.caption.slice(0, side).padEnd(side)).join('  ');
  return [...lines, captions].join('\n');
}

function line({ pixels, side }: Picture, y: number, color: boolean): string {
  return Array.from({ length: side }, (_, x) => {
    const upper = pixels[y * side + x] ?? 0;
    const lower = pixels[(y + 1) * side + x] ?? 0;
    return color ? shaded(upper, lower) : (HALVES[(upper > 110 ? 2 : 0) + (lower > 110 ? 1 : 0)] ?? ' ');
  }).join('');
}

/** By whether the upper and the lower pixel are on. */
const HALVES = [' ', '▄', '▀', '█'];

/** The 24 greys of the 256-colour palette start at 232. */
const grey = (value: number): number => 232 + Math.min(23, Math.floor((value * 24) / 256));
const shaded = (upper: number, lower: number): string =>
  `\u001B[38;5;${grey(upper)};48;5;${grey(lower)}m${UPPER_HALF}\u001B[0m`;

/** Half the size, four pixels to one, a little brighter so that thin strokes stay. */
function halved({ pixels, side, caption }: Picture): Picture {
  const half = side / 2;
  const smaller = Array.from({ length: half * half }, (_, i) => {
    const at = Math.floor(i / half) * 2 * side + (i % half) * 2;
    const four = [at, at + 1, at + side, at + side + 1].map((index) => pixels[index] ?? 0);
    return Math.min(255, (four.reduce((sum, value) => sum + value, 0) / 4) * 1.3);
  });
  return { pixels: smaller, side: half, caption };
}
