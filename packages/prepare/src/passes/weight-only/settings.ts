/** What a user wrote, as what each layer gets: defaults filled in, overrides applied, contradictions refused. */
import { fail, type PassSpec } from '@slipway/core';
import type { Model, Node } from '@slipway/onnx';
import { exclusion } from '../exclude.ts';
import type { Bits } from './blocks.ts';

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
  readonly accuracyLevel: 0 | 1 | 2 | 3 | 4 | 'search';
  readonly damping: number;
  readonly actOrder: boolean;
  /** Some layer is asked for in 2 bits. */
  readonly twoBits: boolean;
  /** For the product that is known by any of these: its node, the name of its weight and of what that was folded from. */
  readonly product: (things: readonly (Node | string)[]) => LayerSettings;
  /** Null: tables stay as they are. */
  readonly embedding: (things: readonly (Node | string)[]) => LayerSettings | null;
}

/** Algorithms that look at what a product is given, which a lookup in a table has not. */
export const NEEDS_ACTIVATIONS: ReadonlySet<Algorithm> = new Set<Algorithm>(['gptq', 'awq']);

/** @throws PASS_NOT_APPLICABLE when an entry of `layers` matches nothing, or options contradict each other */
export function settingsOf(spec: WeightsSpec, model: Model, source: Model | null): Settings {
  const base: LayerSettings = {
    bits: spec.bits ?? 4,
    blockSize: spec.blockSize ?? 64,
    symmetric: spec.symmetric ?? false,
    algorithm: spec.algorithm ?? 'rtn',
  };
  const overrides = (spec.layers ?? []).map(({ match, ...change }) => ({
    selected: exclusion(spec.pass, { exclude: [match] }, model, source, 'layers match'),
    change,
  }));
  const layer = (things: readonly (Node | string)[], from: LayerSettings): LayerSettings => {
    const change = overrides.find(({ selected }) => selected.has(...things))?.change ?? {};
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
    damping: spec.damping ?? 0.01,
    actOrder: spec.actOrder ?? true,
    twoBits: [spec, ...(spec.layers ?? [])].some(({ bits }) => bits === 2),
    product: (things) => layer(things, base),
    embedding: (things) => {
      if (spec.embeddings === false) return null;
      const settings = layer(things, { ...base, bits: spec.embeddings ?? base.bits });
      return NEEDS_ACTIVATIONS.has(settings.algorithm) ? { ...settings, algorithm: 'k-quant' } : settings;
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
