/**
 * Tables for terminals: columns as wide as their content, numbers to the right. When the terminal is too narrow, the column
 * marked `shrinks` is wrapped; nothing else is ever cut.
 */
import { columnsOf, type Style, wrap } from './style.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Gives up width when the table is too wide. */
  readonly shrinks?: boolean;
}

const GAP = 2;
const LEAST_SHRUNK = 16;

export function table(columns: readonly Column[], rows: readonly (readonly string[])[], style: Style): string {
  const widths = columns.map((column, i) =>
    Math.max(columnsOf(column.title), ...rows.map((row) => columnsOf(row[i] ?? ''))),
  );
  const total = widths.reduce((sum, width) => sum + width, 0) + GAP * (columns.length - 1);
  const shrunk = columns.findIndex((column) => column.shrinks === true);
  if (shrunk >= 0 && total > style.width) {
    widths[shrunk] = Math.max(LEAST_SHRUNK, (widths[shrunk] ?? 0) - (total - style.width));
  }
  const line = (cells: readonly string[]): string => {
    const wrapped = cells.map((cell, i) => (i === shrunk ? wrap(cell, widths[i] ?? 0) : cell).split('\n'));
    const height = Math.max(...wrapped.map((lines) => lines.length));
    return Array.from({ length: height }, (_, at) =>
      wrapped
        .map((lines, i) => pad(lines[at] ?? '', widths[i] ?? 0, columns[i]?.align ?? 'left'))
        .join(' '.repeat(GAP))
        .trimEnd(),
    ).join('\n');
  };
  return [style.dim(line(columns.map((column) => column.title))), ...rows.map(line)].join('\n');
}

/** `name  value` lines with the values under each other. */
export function facts(pairs: readonly (readonly [string, string])[], style: Style): string {
  const width = Math.max(...pairs.map(([name]) => columnsOf(name)));
  return pairs
    .map(([name, value]) => {
      const indent = ' '.repeat(width + GAP);
      return `${style.dim(pad(name, width, 'left'))}${' '.repeat(GAP)}${wrap(value, style.width - width - GAP, indent)}`;
    })
    .join('\n');
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - columnsOf(text)));
  return align === 'left' ? text + space : space + text;
}
