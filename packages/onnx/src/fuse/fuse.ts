/**
 * Puts operators of ONNX Runtime (domain com.microsoft) in the place of what transformers spell out.
 *
 * The result runs in ONNX Runtime only. The graph is simplified before, because the patterns are those of a tidy graph, and
 * after, because fusions leave equal Casts; what simplification fuses itself (LayerNormalization) counts among its rewrites.
 */
import { fail, hasCode } from '@slipway/core';
import { MS_DOMAIN } from '../ir/node.ts';
import { type Model, opsetOf, withOpset } from '../ir/model.ts';
import { applyRewrites, nodeCount, type RewriteOptions, type Simplified } from '../simplify/apply.ts';
import type { Rewrite } from '../simplify/rewrite.ts';
import { type RewriteFacts, simplify } from '../simplify/simplify.ts';
import { upgradeOpset } from '../upgrade/upgrade.ts';
import { fuseAttention } from './attention.ts';
import { fuseBiasGelu, fuseGelu, fuseQuickGelu } from './gelu.ts';
import { fuseEmbeddings } from './embeddings.ts';
import { fuseProjections } from './projections.ts';
import { fuseRotary } from './rotary.ts';
import { fuseRmsNormalization } from './rms-normalization.ts';
import { fuseSkipLayerNormalization } from './skip-layer-normalization.ts';

const FUSIONS: readonly Rewrite[] = [
  fuseGelu,
  fuseQuickGelu,
  fuseBiasGelu,
  fuseRotary,
  fuseAttention,
  fuseProjections,
  fuseEmbeddings,
  fuseRmsNormalization,
  fuseSkipLayerNormalization,
];

/** All fusions, in the order in which they are applied. */
export const FUSION_TABLE: readonly RewriteFacts[] = FUSIONS;

export interface FuseOptions extends RewriteOptions {
  /** Names of fusions not to use. */
  readonly skip?: readonly string[];
}

export interface Fused extends Omit<Simplified, 'applied'> {
  /** How often each fusion was applied; those that never were are left out. */
  readonly applied: ReadonlyMap<string, number>;
  /** How often each rewrite of `simplify` was, before and after. */
  readonly simplified: ReadonlyMap<string, number>;
  /** The operator set that the model was raised to, and why not where it could not be; null when it was new enough. */
  readonly raised: { readonly to: number } | { readonly problem: string } | null;
}

const MS_VERSION = 1;

/** The first with LayerNormalization, which residual normalization is recognised by. */
const NORMALIZATION_OPSET = 17;

/** Exports are often older. What cannot be raised is fused as it is. */
function raise(model: Model): { readonly model: Model; readonly raised: Fused['raised'] } {
  if (opsetOf(model) >= NORMALIZATION_OPSET) return { model, raised: null };
  try {
    return { model: upgradeOpset(model, NORMALIZATION_OPSET), raised: { to: NORMALIZATION_OPSET } };
  } catch (error) {
    const isKnown = hasCode(error, 'UNSUPPORTED_OPERATOR') || hasCode(error, 'UNSUPPORTED_OPSET');
    if (!isKnown || !(error instanceof Error)) throw error;
    return { model, raised: { problem: error.message } };
  }
}

/** @throws USAGE when `skip` names what there is not */
export function fuse(source: Model, options: FuseOptions = {}): Fused {
  for (const name of options.skip ?? []) {
    if (!FUSIONS.some((fusion) => fusion.name === name)) {
      const problem = `there is no fusion "${name}"; there are ${FUSIONS.map((fusion) => fusion.name).join(', ')}`;
      throw fail('USAGE', { problem });
    }
  }
  const { skip, ...limits } = options;
  const { model, raised } = raise(source);
  const before = { ...simplify(model, limits), nodesBefore: nodeCount(source.graph) };
  const fusions = FUSIONS.filter(({ name }) => skip?.includes(name) !== true);
  const fused = applyRewrites(before.model, fusions, limits);
  if (fused.applied.size === 0) return { ...before, applied: new Map(), simplified: before.applied, raised };
  const after = simplify(withOpset(fused.model, MS_DOMAIN, fused.model.opsets.get(MS_DOMAIN) ?? MS_VERSION), limits);
  const simplified = new Map(before.applied);
  for (const [name, count] of after.applied) simplified.set(name, (simplified.get(name) ?? 0) + count);
  return {
    model: after.model,
    nodesBefore: before.nodesBefore,
    nodesAfter: after.nodesAfter,
    applied: fused.applied,
    simplified,
    raised,
    rounds: before.rounds + fused.rounds + after.rounds,
    settled: before.settled && fused.settled && after.settled,
  };
}
