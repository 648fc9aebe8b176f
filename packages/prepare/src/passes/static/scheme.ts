/**
 * How `quantize.static` quantizes: the options of the user made total, and the combinations that cannot run refused.
 *
 * What ONNX Runtime 1.30 has integer kernels for on a CPU: uint8 activations with int8 or uint8 weights, int8 with int8.
 * 16-bit activations and 4-bit weights are valid ONNX (operator set 21) and run everywhere, but as float between
 * conversions: they are for accelerators, or for size.
 */
import { fail, type PassOptions } from '@slipway/core';
import type { QuantizedDType } from '../affine.ts';
import { QUANTIZATION_OPSET } from '../prepared.ts';
import { type Placement, presetOptions } from '../presets.ts';

export interface Scheme {
  readonly placement: Placement;
  readonly format: 'qdq' | 'qoperator';
  readonly activations: Exclude<QuantizedDType, 'int4' | 'uint4'>;
  readonly weights: 'int8' | 'uint8' | 'int4' | 'uint4';
  readonly perChannel: boolean;
  readonly reduceRange: boolean;
  readonly symmetricActivations: boolean;
  /** undefined: as the type of the weights wants it. */
  readonly symmetricWeights: boolean | undefined;
}

/** The first operator set with types of 4 and 16 bits in QuantizeLinear and DequantizeLinear. */
const NARROW_AND_WIDE_OPSET = 21;

/** @throws PASS_NOT_APPLICABLE for what cannot run, or makes no sense */
export function schemeOf(options: PassOptions<'quantize.static'>): Scheme {
  const preset = presetOptions('quantize.static', options.preset);
  const scheme: Scheme = {
    placement: preset.placement,
    format: options.format ?? 'qdq',
    activations: options.activations ?? preset.activations ?? 'uint8',
    weights: options.weights ?? preset.weights ?? 'int8',
    perChannel: options.perChannel ?? preset.perChannel ?? true,
    reduceRange: options.reduceRange ?? preset.reduceRange ?? false,
    symmetricActivations: options.symmetricActivations ?? preset.symmetricActivations ?? false,
    symmetricWeights: options.symmetricWeights,
  };
  const problem = problemOf(scheme);
  if (problem !== null) throw fail('PASS_NOT_APPLICABLE', { pass: 'quantize.static', problem });
  return scheme;
}

function problemOf(scheme: Scheme): string | null {
  const { activations, weights, format, perChannel, placement, reduceRange, symmetricActivations, symmetricWeights } =
    scheme;
  if (placement === 'inputs' && (activations !== 'int8' || weights !== 'int8' || !symmetricActivations)) {
    return 'TensorRT takes symmetric int8 only';
  }
  if (placement !== 'between' && format === 'qoperator') {
    return 'accelerators take conversions around operators: use format "qdq"';
  }
  if (format === 'qoperator' && (bitsOf(activations) !== 8 || bitsOf(weights) !== 8)) {
    return `there are integer operators for 8 bits only, not for ${activations} activations with ${weights} weights: use format "qdq"`;
  }
  if (activations === 'int8' && weights === 'uint8') {
    return 'ONNX Runtime has no kernels for int8 activations with uint8 weights: use int8 weights, or uint8 activations';
  }
  if (reduceRange && bitsOf(weights) !== 8) {
    return `reduceRange is for weights of 8 bits, and these are ${weights}`;
  }
  if (symmetricWeights === false && weights === 'int4') {
    return 'weights of int4 are symmetric: use uint4 for ranges that are not';
  }
  if (symmetricWeights === false && perChannel && bitsOf(weights) === 8) {
    return 'the kernels want one zero point for all channels, so 8-bit weights per channel are symmetric: set perChannel: false';
  }
  return null;
}

export function opsetOfScheme({ activations, weights }: Scheme): number {
  return bitsOf(activations) === 16 || bitsOf(weights) === 4 ? NARROW_AND_WIDE_OPSET : QUANTIZATION_OPSET;
}

/** What a person must know before choosing it, one sentence each. */
export function warningsOf({ activations, format, placement, weights }: Scheme): string[] {
  const warnings: string[] = [];
  if (placement === 'inputs') {
    warnings.push(
      'Pairs are placed for TensorRT, which quantizes the weights when it builds its engine: this file is not smaller, and on a CPU it is slower than float.',
    );
  }
  if (placement === 'everywhere') {
    warnings.push('Pairs are placed around every operator, for QNN; on a CPU that is slower than float.');
  }
  if (format === 'qoperator') {
    warnings.push('Only ONNX Runtime knows most of the integer operators that the form "qoperator" uses.');
  }
  if (bitsOf(activations) === 16) {
    warnings.push(
      `ONNX Runtime has no ${activations} kernels on a CPU: it converts to float, computes there and converts back. Expect it slower than float here; it is for accelerators.`,
    );
  }
  if (bitsOf(weights) === 4) {
    warnings.push(
      `ONNX Runtime has no kernels for ${weights} weights beside quantized activations on a CPU: it computes in float. What it buys here is size.`,
    );
  }
  return warnings;
}

/** The options that a preset and what was given beside it come to, for the report. */
export function describeScheme(preset: string, scheme: Scheme): string {
  const { activations, weights, perChannel, reduceRange, symmetricActivations } = scheme;
  const parts = [
    `activations ${activations}${symmetricActivations ? ', symmetric' : ''}`,
    `weights ${weights}${perChannel ? ' per channel' : ''}${reduceRange ? ', 7 bits of 8' : ''}`,
  ];
  return `Preset ${preset}: ${parts.join('; ')}.`;
}

/** `8-bit integers`: how notes call what was done. */
export function widthOf({ activations, weights }: Scheme): string {
  const [a, w] = [bitsOf(activations), bitsOf(weights)];
  return a === w ? `${a}-bit integers` : `integers (weights of ${w} bits, activations of ${a})`;
}

function bitsOf(dtype: QuantizedDType): 4 | 8 | 16 {
  return dtype.endsWith('16') ? 16 : dtype.endsWith('8') ? 8 : 4;
}
