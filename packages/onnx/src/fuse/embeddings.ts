/**
 * The embeddings of an encoder: LayerNormalization of the sum of a row per word, a row per position and, with two sentences,
 * a row per sentence. The operator looks all of them up itself. It takes 32-bit indices; without positions, they are 0, 1, 2 …
 */
import { floatAttribute, intAttribute } from '../ir/attribute.ts';
import { createNode, getFloat, getInt, MS_DOMAIN, type Node } from '../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy } from '../simplify/pattern.ts';
import { eachNode, onlyFirstOutput, type Rewrite, type Site } from '../simplify/rewrite.ts';

const DEFAULT_EPSILON = 1e-5;
const INT32 = 6;

export const fuseEmbeddings: Rewrite = {
  name: 'embed-layer-normalization',
  exactness: 'rounding',
  summary:
    'Rows of tables for words, positions and sentences, summed and normalized, become `EmbedLayerNormalization`.',
  apply: eachNode(['LayerNormalization'], (node, site) => {
    const [sum = '', scale = '', offset = ''] = node.inputs;
    const lookups = site.soleReader(sum) === undefined ? undefined : lookupsOf(site, sum);
    const shape = site.shape(sum);
    const width = shape?.[2];
    if (lookups === undefined || shape?.length !== 3 || !isFixed(width) || offset === '' || !onlyFirstOutput(node)) {
      return false;
    }
    const axis = getInt(node, 'axis', -1);
    const vectors = [scale, offset].every((name) => site.shape(name)?.join() === `${width}`);
    const match = (axis === -1 || axis === 2) && vectors ? assigned(lookups, shape, site) : undefined;
    if (match === undefined) return false;
    const index = (name: string | undefined): string => (name === undefined ? '' : int32(site, name, node));
    const { word, position, sentence } = match;
    const inputs = [
      index(word.index),
      index(sentence?.index),
      word.table,
      position.table,
      sentence?.table ?? '',
      scale,
      offset,
      '',
      position.counted ? '' : index(position.index),
    ];
    while (inputs.at(-1) === '') inputs.pop();
    const attributes = [floatAttribute('epsilon', getFloat(node, 'epsilon', DEFAULT_EPSILON))];
    const options = { name: node.name, domain: MS_DOMAIN, attributes };
    const outputs = [node.outputs[0] ?? '', site.editor.uniqueName('mask_index')];
    site.editor.replace(node, createNode('EmbedLayerNormalization', inputs, outputs, options));
    return true;
  }),
};

interface Lookup {
  readonly table: string;
  readonly index: string;
  /** True when the indices are 0, 1, 2 … as far as there are tokens. */
  readonly counted: boolean;
}

/** The two or three lookups that `sum` is made of, each read by it alone. */
function lookupsOf(site: Site, sum: string): readonly Lookup[] | undefined {
  const terms: string[] = [];
  const open = [sum];
  while (open.length > 0) {
    const name = open.pop() ?? '';
    const add = madeBy(site, name, 'Add');
    if (add === undefined) terms.push(name);
    else open.push(...add.inputs);
    if (site.soleReader(name) === undefined || terms.length + open.length > 3) return undefined;
  }
  const found = terms.map((name) => {
    const gather = madeBy(site, name, 'Gather');
    const [table = '', index = ''] = gather?.inputs ?? [];
    const type = site.type(table);
    const isTable = site.stored(table)?.dtype === 'float32' && type?.shape?.length === 2;
    return gather !== undefined && isTable && getInt(gather, 'axis', 0) === 0
      ? { table, index, counted: isCounted(site, index) }
      : undefined;
  });
  const known = found.filter((lookup) => lookup !== undefined);
  return known.length === terms.length && known.length >= 2 ? known : undefined;
}

interface Embeddings {
  readonly word: Lookup;
  readonly position: Lookup;
  readonly sentence: Lookup | undefined;
}

/** Which table is which does not matter for a sum, but for the operator: positions may be the same for every row. */
function assigned(lookups: readonly Lookup[], shape: Shape, site: Site): Embeddings | undefined {
  const rows = shape.slice(0, 2);
  if (rows.includes(UNKNOWN_DIM)) return undefined;
  const isFull = ({ index }: Lookup): boolean => site.shape(index)?.join() === rows.join();
  const position =
    lookups.find((lookup) => lookup.counted && fitsCount(lookup, rows[1], site)) ??
    lookups.find(({ index }) => site.shape(index)?.join() === [1, rows[1]].join()) ??
    byLength(lookups, site)[1];
  const [word, sentence, ...others] = byLength(
    lookups.filter((lookup) => lookup !== position),
    site,
  );
  const isRead = [word, sentence].every((lookup) => lookup === undefined || isFull(lookup));
  if (position === undefined || word === undefined || !isRead || others.length > 0) return undefined;
  const isPlaced = position.counted || isFull(position) || site.shape(position.index)?.join() === [1, rows[1]].join();
  if (!isPlaced) return undefined;
  return { word, position, sentence };
}

/** Words have the longest table, then positions, then sentences. */
function byLength(lookups: readonly Lookup[], site: Site): readonly Lookup[] {
  const length = ({ table }: Lookup): number => Number(site.shape(table)?.[0]);
  return [...lookups].sort((a, b) => length(b) - length(a));
}

/** A constant row 0, 1, 2 … or the first so many of it. */
function isCounted(site: Site, index: string): boolean {
  const slice = madeBy(site, index, 'Slice');
  const numbers = site.integers(slice?.inputs[0] ?? index);
  if (numbers?.every((value, at) => value === at) !== true || numbers.length < 2) return false;
  const shape = site.shape(slice?.inputs[0] ?? index);
  if (shape?.length !== 2 || shape[0] !== 1) return false;
  if (slice === undefined) return true;
  const [starts, axes, steps] = [1, 3, 4].map((input) => site.integers(slice.inputs[input]));
  const fromFirst = starts?.join() === '0' && (axes?.join() === '1' || axes?.join() === '-1');
  return fromFirst && ((slice.inputs[4] ?? '') === '' || steps?.join() === '1');
}

/** True when there are as many positions as tokens. A table that ends earlier fails in both forms. */
function fitsCount({ index }: Lookup, tokens: Shape[number] | undefined, site: Site): boolean {
  const slice = madeBy(site, index, 'Slice');
  if (slice === undefined) return site.shape(index)?.[1] === tokens;
  const ends = site.known(slice.inputs[2])?.elements;
  return ends?.length === 1 && ends[0] === tokens && tokens !== UNKNOWN_DIM;
}

function int32(site: Site, name: string, before: Node): string {
  if (site.type(name)?.dtype === 'int32') return name;
  const cast = site.editor.uniqueName(`${name}_int32`);
  const options = { name: site.editor.uniqueNodeName(cast), attributes: [intAttribute('to', INT32)] };
  site.editor.insertBefore(before, createNode('Cast', [name], [cast], options));
  return cast;
}
