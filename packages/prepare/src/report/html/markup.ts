/**
 * HTML and SVG as tagged templates in which everything interpolated is escaped, so that a hostile tensor name is
 * shown and never executed. Only what `markup` made is taken as it is.
 */

export interface Markup {
  readonly markup: string;
}

export type Content = Markup | string | number | null | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Also replaces control characters, which HTML cannot hold. */
export function escape(text: string): string {
  return text.replaceAll(/[^\P{Cc}\t\n\r]/gu, '\u{FFFD}').replaceAll(/[&<>"']/g, (c) => ENTITIES[c] ?? c);
}

function render(content: Content): string {
  if (content === null) return '';
  if (typeof content === 'string') return escape(content);
  if (typeof content === 'number') return String(Math.round(content * 100) / 100);
  if ('markup' in content) return content.markup;
  return content.map(render).join('');
}

export function markup(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const text = strings.reduce((whole, part, i) => whole + render(values[i - 1] ?? null) + part);
  return { markup: text };
}
