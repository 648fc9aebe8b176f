/** A config as the schema can check it: with every choice of its recipes closed, in as many ways as there are values. */
import type { Template } from './choices.ts';
import { closeFirst, findBadChoice, hasChoices, passesOf, variants } from './space.ts';

interface Closed {
  /** The very value that was given when nothing in it was open. */
  readonly config: unknown;
  /** What is wrong with a choice itself; then the config says nothing. */
  readonly problem: string | null;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param exported what a config file exports: anything */
export function* closedConfigs(exported: unknown): Generator<Closed> {
  const recipe = isRecord(exported) ? exported['recipe'] : undefined;
  const bad = findBadChoice(recipe, []);
  if (bad !== null) {
    yield { config: exported, problem: `recipe${formatPath(bad.path)}: ${bad.problem}` };
    return;
  }
  const candidates = isRecord(recipe) && isRecord(recipe['candidates']) ? recipe['candidates'] : {};
  const templates = Object.entries(candidates).filter(isTemplate);
  const close = (closed: unknown): unknown => ({ ...(exported as object), recipe: closed });
  let open = 0;
  if (Array.isArray(recipe) && isOpen(recipe)) {
    for (const variant of variants(recipe)) yield { config: close(passesOf(variant)), problem: null };
    open++;
  }
  const first = Object.fromEntries(templates.map(([name, template]) => [name, passesOf(closeFirst(template))]));
  for (const [name, template] of templates.filter(([, one]) => isOpen(one))) {
    for (const variant of variants(template)) {
      const closed = { ...candidates, ...first, [name]: passesOf(variant) };
      yield { config: close({ ...(recipe as object), candidates: closed }), problem: null };
    }
    open++;
  }
  if (open === 0) yield { config: exported, problem: null };
}

const isTemplate = (entry: [string, unknown]): entry is [string, unknown[]] => Array.isArray(entry[1]);

/** A step that is to be applied in part is no pass yet either. */
const isOpen = (template: Template): boolean =>
  hasChoices(template) || template.some((step) => isRecord(step) && '$partial' in step);

const formatPath = (path: readonly PropertyKey[]): string =>
  path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
