/** The initializers of a quantized weight, in the layout its operator reads. */
import { numbersToFloat16 } from '@slipway/core';
import { createInitializer, type Initializer, type Keep, type OnnxDType } from '@slipway/onnx';
import { type Blocks, blocksPerRow, middleCode } from './blocks.ts';
import { packForMatMul, packRows, packZeroPoints, transposeInto } from './pack.ts';
import type { Target } from './judge.ts';
import type { Settings } from './settings.ts';

/** Names of what is stored for one weight. */
export interface Stored {
  readonly codes: string;
  readonly scales: string;
  /** Null: the middle code. */
  readonly zeroPoints: string | null;
  readonly initializers: readonly Initializer[];
}

/**
 * @param unique a name that nothing in the model has, like the one given
 * @param spill where what is large goes
 */
export function storeBlocks(
  { kind, weight }: Target,
  blocks: Blocks,
  format: Settings['format'],
  unique: (base: string) => string,
  spill: Keep,
): Stored {
  const layout =
    format === 'dequantize'
      ? kind === 'product'
        ? columnMajorTensors(blocks)
        : rowMajorTensors(blocks)
      : kind === 'product'
        ? matMulTensors(blocks)
        : gatherTensors(blocks);
  const make = (suffix: string, { dtype, dims, bytes }: Raw): Initializer =>
    spill(createInitializer(unique(`${weight.name}_${suffix}`), dtype, dims, bytes));
  const codes = make(`q${blocks.bits}`, layout.codes);
  const scales = make('scales', layout.scales);
  const zeroPoints = blocks.symmetric ? null : make('zero_points', layout.zeroPoints);
  return {
    codes: codes.name,
    scales: scales.name,
    zeroPoints: zeroPoints?.name ?? null,
    initializers: zeroPoints === null ? [codes, scales] : [codes, scales, zeroPoints],
  };
}

interface Raw {
  readonly dtype: OnnxDType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

interface Layout {
  readonly codes: Raw;
  readonly scales: Raw;
  readonly zeroPoints: Raw;
}

function matMulTensors(blocks: Blocks): Layout {
  const { rows, bits, blockSize } = blocks;
  const perRow = blocksPerRow(blocks);
  return {
    codes: { dtype: 'uint8', dims: [rows, perRow, (blockSize * bits) / 8], bytes: packForMatMul(blocks) },
    ...perRowParameters(blocks),
  };
}

function gatherTensors(blocks: Blocks): Layout {
  const { rows, columns, bits, codes } = blocks;
  const dims = [rows, Math.ceil((columns * bits) / 8)];
  return { codes: { dtype: 'uint8', dims, bytes: packRows(codes, columns, bits) }, ...perRowParameters(blocks) };
}

/** What both operators of ONNX Runtime share. */
function perRowParameters(blocks: Blocks): Pick<Layout, 'scales' | 'zeroPoints'> {
  const { rows, bits, scales, zeroPoints } = blocks;
  const perRow = blocksPerRow(blocks);
  return {
    scales: floats(scales, [rows, perRow], blocks),
    zeroPoints:
      zeroPoints instanceof Float32Array
        ? floats(zeroPoints, [rows, perRow], blocks)
        : { dtype: 'uint8', dims: [rows, Math.ceil((perRow * bits) / 8)], bytes: packZeroPoints(blocks) },
  };
}

/** As MatMul reads its weight: [columns, rows] of codes, [blocks, rows] of parameters; one block is one per row: [rows]. */
function columnMajorTensors(blocks: Blocks): Layout {
  const { rows, columns, scales, zeroPoints, codes } = blocks;
  const perRow = blocksPerRow(blocks);
  const dims = perRow === 1 ? [rows] : [perRow, rows];
  const swappedZeros = transposeInto(Uint8Array.from(zeroPoints), rows, perRow, new Uint8Array(zeroPoints.length));
  return {
    codes: integers(transposeInto(codes, rows, columns, new Uint8Array(codes.length)), [columns, rows], blocks),
    scales: floats(transposeInto(scales, rows, perRow, new Float32Array(scales.length)), dims, blocks),
    zeroPoints: integers(swappedZeros, dims, blocks),
  };
}

function rowMajorTensors(blocks: Blocks): Layout {
  const { rows, columns, scales, zeroPoints, codes } = blocks;
  const dims = [rows, blocksPerRow(blocks)];
  return {
    codes: integers(codes, [rows, columns], blocks),
    scales: floats(scales, dims, blocks),
    zeroPoints: integers(Uint8Array.from(zeroPoints), dims, blocks),
  };
}

/** Without zero points the type is signed, and a code less the middle one is the same bits with the highest flipped. */
function integers(codes: Uint8Array, dims: readonly number[], blocks: Blocks): Raw {
  const { bits, symmetric } = blocks;
  const middle = middleCode(blocks);
  const stored = symmetric ? codes.map((code) => code ^ middle) : codes;
  return { dtype: `${symmetric ? 'int' : 'uint'}${bits}`, dims, bytes: packRows(stored, stored.length, bits) };
}

function floats(values: Float32Array, dims: readonly number[], { half }: Blocks): Raw {
  const data = half ? numbersToFloat16(values) : values;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype: half ? 'float16' : 'float32', dims, bytes };
}
