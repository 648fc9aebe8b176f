/** Changes the nodes of a graph and of the bodies in it, and collects what was done and what was left. */
import { type Graph, GraphEditor, type Keep, mapSubgraphs, type Node } from '@slipway/onnx';
import { dropUnread } from '../constants.ts';
import { emitEmbedding } from './embedding.ts';
import { type Convolutions, judgeDynamic, type Target } from './plan.ts';
import { emitConvolution, emitProduct } from './product.ts';
import { emitAttention, emitLstm } from './recurrent.ts';
import { Scope } from './scope.ts';

export interface WeightOptions {
  readonly perChannel: boolean;
  readonly reduceRange: boolean;
}

export interface DynamicOptions extends WeightOptions {
  readonly convolutions: Convolutions;
  readonly isExcluded: (target: Target) => boolean;
  /** Called between nodes; throws to stop. */
  readonly pause: () => void;
}

/** What became of the nodes of a model. */
export interface Outcome {
  readonly done: readonly Target[];
  readonly excluded: readonly Node[];
  readonly left: readonly { readonly node: Node; readonly reason: string }[];
}

const EMIT: Readonly<Record<Target['kind'], (scope: Scope, target: Target, options: WeightOptions) => void>> = {
  product: emitProduct,
  convolution: emitConvolution,
  embedding: (scope, target, { perChannel }) => emitEmbedding(scope, 'quantize.dynamic', target, perChannel),
  lstm: emitLstm,
  attention: emitAttention,
};

export function emitDynamic(
  graph: Graph,
  keep: Keep | undefined,
  options: DynamicOptions,
): { readonly graph: Graph; readonly outcome: Outcome } {
  const outcome = { done: [] as Target[], excluded: [] as Node[], left: [] as { node: Node; reason: string }[] };
  const visit = (inner: Graph, scope: Scope): Graph => {
    for (const node of inner.nodes) {
      options.pause();
      const bodies = mapSubgraphs(node, (body) => visit(body, new Scope(body, scope.editor.inside(body), scope)));
      if (bodies !== node) scope.editor.update(node, { attributes: bodies.attributes });
      const verdict = judgeDynamic(node, (name) => scope.constant(name), options.convolutions);
      if (typeof verdict === 'string') outcome.left.push({ node, reason: verdict });
      else if (verdict === null) continue;
      else if (options.isExcluded(verdict)) outcome.excluded.push(node);
      else {
        EMIT[verdict.kind](scope, verdict, options);
        scope.replace(node.inputs);
        outcome.done.push(verdict);
      }
    }
    dropUnread(scope.editor, scope.replaced);
    return scope.editor.finish();
  };
  return { graph: visit(graph, new Scope(graph, new GraphEditor(graph, [], keep), null)), outcome };
}
