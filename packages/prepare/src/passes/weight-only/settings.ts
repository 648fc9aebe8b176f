/** What a user wrote, as what each layer gets: defaults filled in, overrides applied, contradictions refused. */
import { fail, type PassSpec, suggest } from '@slipway/core';
import { mapGraphs, type Model } from '@slipway/onnx';
import type { Bits } from './blocks.ts';
import { matcher } from '../exclude.ts';

export type WeightsSpec = Extract<PassSpec, { pass: 'quantize.weights' }>;

export type Algorithm = NonNullable<WeightsSpec['algorithm']>;

export interface LayerSettings {
  readonly bits: Bits;
  /** `column`: the block is as long as the column. */
  readonly blockSize: number | 'column';
  readonly symmetric: boolean;
  readonly algorithm: Algorithm;
}

export interface Settings {
  readonly format: 'matmulnbits' | 'dequantize';
  readonly accuracyLevel: 0 | 1 | 2 | 3 | 4;
  /** Some layer is asked for in 2 bits. */
  readonly twoBits: boolean;
  /** For a layer known by any of `names` (its node, its weight and what that was folded from). */
  product(names: readonly string[]): LayerSettings;
  /** Null: tables stay as they are. */
  embedding(names: readonly string[]): LayerSettings | null;
}

export function settingsOf(spec: WeightsSpec): Settings {
  const base: LayerSettings = {
    bits: spec.bits ?? 4,
    blockSize: spec.blockSize ?? 64,
    symmetric: spec.symmetric ?? false,
    algorithm: spec.algorithm ?? 'k-quant',
  };
  const overrides = (spec.layers ?? []).map(({ match, ...change }) => ({ matches: matcher(match), change }));
  const layer = (names: readonly string[], from: LayerSettings): LayerSettings => {
    const change = overrides.find(({ matches }) => names.some((name) => name !== '' && matches(name)))?.change ?? {};
    return checked(spec, {
      bits: change.bits ?? from.bits,
      blockSize: change.blockSize ?? from.blockSize,
      symmetric: change.symmetric ?? from.symmetric,
      algorithm: change.algorithm ?? from.algorithm,
    });
  };
  return {
    format: spec.format ?? 'matmulnbits',
    accuracyLevel: spec.accuracyLevel ?? 4,
    twoBits: [spec, ...(spec.layers ?? [])].some(({ bits }) => bits === 2),
    product: (names) => layer(names, base),
    embedding(names) {
      if (spec.embeddings === false) return null;
      return layer(names, { ...base, bits: spec.embeddings ?? base.bits });
    },
  };
}

function checked(spec: WeightsSpec, settings: LayerSettings): LayerSettings {
  if (settings.algorithm === 'hqq' && settings.symmetric) {
    const problem = 'hqq optimizes zero points, and `symmetric` asks for none: leave one of the two out';
    throw fail('PASS_NOT_APPLICABLE', { pass: spec.pass, problem });
  }
  return settings;
}

/** @throws PASS_NOT_APPLICABLE when an entry of `layers` names nothing in the model */
export function checkPatterns(spec: WeightsSpec, model: Model): void {
  const names = [...new Set(layerNames(model))];
  for (const { match } of spec.layers ?? []) {
    const matches = matcher(match);
    if (names.some(matches)) continue;
    const problem = `the entry "${match}" of \`layers\` matches no node and no initializer${suggest(match, names)}`;
    throw fail('PASS_NOT_APPLICABLE', { pass: spec.pass, problem });
  }
}

function layerNames(model: Model): string[] {
  const names: string[] = [];
  mapGraphs(model, (graph) => {
    for (const node of graph.nodes) if (node.name !== '') names.push(node.name);
    for (const name of graph.initializers.keys()) names.push(name);
    return graph;
  });
  return names;
}
