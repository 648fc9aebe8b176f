/** All rewrites, in the order in which a round applies them: what folds and removes first, what merges and fuses after. */
import type { Rewrite } from '../rewrite.ts';
import { commonSubexpressions } from './common-subexpressions.ts';
import { deduplicateInitializers } from './deduplicate-initializers.ts';
import { eliminateCast } from './eliminate-cast.ts';
import { eliminateDropout } from './eliminate-dropout.ts';
import { eliminateIdentity } from './eliminate-identity.ts';
import { eliminateNeutralOperand } from './eliminate-neutral-operand.ts';
import { eliminatePad } from './eliminate-pad.ts';
import { eliminateReshape } from './eliminate-reshape.ts';
import { eliminateSingleOperand } from './eliminate-single-operand.ts';
import { eliminateSlice } from './eliminate-slice.ts';
import { eliminateTile } from './eliminate-tile.ts';
import { eliminateTranspose } from './eliminate-transpose.ts';
import { eliminateZeroAdd } from './eliminate-zero-add.ts';
import { foldConstants, foldFunctions } from './fold-constants.ts';
import { foldShapes } from './fold-shapes.ts';
import { fuseArithmeticIntoBatchNorm } from './fuse-arithmetic-batch-norm.ts';
import { fuseArithmeticIntoConv } from './fuse-arithmetic-conv.ts';
import { fuseBatchNormIntoConv } from './fuse-batch-norm-conv.ts';
import { fuseBatchNormIntoGemm } from './fuse-batch-norm-gemm.ts';
import { fuseBiasIntoGemm } from './fuse-bias-gemm.ts';
import { fuseGelu } from './fuse-gelu.ts';
import { fuseLayerNormalization } from './fuse-layer-normalization.ts';
import { fuseMatmulAdd } from './fuse-matmul-add.ts';
import { fusePadIntoConv } from './fuse-pad-conv.ts';
import { fusePadIntoPool } from './fuse-pad-pool.ts';
import { fuseReduceUnsqueeze } from './fuse-reduce-unsqueeze.ts';
import { fuseTransposeIntoGemm } from './fuse-transpose-gemm.ts';
import { inlineIf } from './inline-if.ts';
import { mergeCasts } from './merge-casts.ts';
import { mergeConcats } from './merge-concats.ts';
import { mergeReshapes } from './merge-reshapes.ts';
import { mergeSlices } from './merge-slices.ts';
import { mergeSqueezes } from './merge-squeezes.ts';
import { mergeTransposes } from './merge-transposes.ts';
import { mergeUnsqueezes } from './merge-unsqueezes.ts';
import { resolveReshape } from './resolve-reshape.ts';
import { sinkTransposes } from './sink-transposes.ts';
import { eliminateRepeated } from './eliminate-repeated.ts';
import { fuseLogSoftmax } from './fuse-log-softmax.ts';
import { mergeArithmetic } from './merge-arithmetic.ts';
import { mergeShapeSlices } from './merge-shape-slices.ts';
import { replaceEinsum } from './replace-einsum.ts';

export const REWRITES: readonly Rewrite[] = [
  foldShapes,
  foldConstants,
  foldFunctions,
  inlineIf,
  deduplicateInitializers,
  eliminateIdentity,
  eliminateDropout,
  eliminateCast,
  eliminateReshape,
  eliminateTranspose,
  eliminatePad,
  eliminateSlice,
  eliminateTile,
  eliminateSingleOperand,
  eliminateNeutralOperand,
  eliminateZeroAdd,
  eliminateRepeated,
  commonSubexpressions,
  resolveReshape,
  mergeTransposes,
  mergeUnsqueezes,
  mergeSqueezes,
  mergeReshapes,
  mergeCasts,
  mergeSlices,
  mergeConcats,
  mergeShapeSlices,
  mergeArithmetic,
  sinkTransposes,
  replaceEinsum,
  fuseReduceUnsqueeze,
  fuseTransposeIntoGemm,
  fuseArithmeticIntoBatchNorm,
  fuseBatchNormIntoConv,
  fuseBatchNormIntoGemm,
  fuseArithmeticIntoConv,
  fusePadIntoConv,
  fusePadIntoPool,
  fuseLogSoftmax,
  fuseLayerNormalization,
  fuseGelu,
  fuseMatmulAdd,
  fuseBiasIntoGemm,
];
