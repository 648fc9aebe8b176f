/**
 * What to choose for a kind of processor, as defaults that single options override.
 *
 * On x86 the question is saturation: without VNNI, the kernel for uint8 × int8 adds pairs of products in 16 bits, which two large
 * ones overflow, so weights get 7 bits. VNNI, AMX and the dot products of ARM add in 32 bits. Accelerators want more than types: a
 * placement of the pairs that their compilers fuse (TensorRT), or no float anywhere (Qualcomm's QNN).
 * `host` is resolved to one of the others before a pass runs, so that lineage and cache say what was really chosen.
 */
import { fail, type PassName, type PassOptions, type PassSpec } from '@slipway/core';

type Options = PassOptions<'quantize.static'>;
type Preset = NonNullable<Options['preset']>;

/** Where pairs stand: between what ONNX Runtime fuses, before what TensorRT fuses, or around everything. */
export type Placement = 'between' | 'inputs' | 'everywhere';

interface PresetOptions extends Omit<Options, 'preset' | 'exclude' | 'only' | 'calibration'> {
  readonly placement: Placement;
}

const CPU = { activations: 'uint8', weights: 'int8', placement: 'between' } as const satisfies PresetOptions;

const PRESETS: Readonly<Record<Exclude<Preset, 'host'>, PresetOptions>> = {
  avx2: { ...CPU, reduceRange: true },
  avx512: { ...CPU, reduceRange: true },
  vnni: { ...CPU, reduceRange: false },
  amx: { ...CPU, reduceRange: false },
  arm64: { ...CPU, reduceRange: false },
  tensorrt: { activations: 'int8', weights: 'int8', symmetricActivations: true, placement: 'inputs' },
  qnn: { activations: 'uint16', weights: 'uint8', perChannel: false, placement: 'everywhere' },
};

/** @throws PASS_NOT_APPLICABLE for `host`, which only the build can resolve */
export function presetOptions(pass: PassName, preset: Preset | undefined): PresetOptions {
  if (preset === 'host') {
    const problem = 'the preset "host" stands for one of the others, and nobody said which: name it';
    throw fail('PASS_NOT_APPLICABLE', { pass, problem });
  }
  return preset === undefined ? CPU : PRESETS[preset];
}

/** The preset for a processor with these flags, as the kernel lists them. */
export function presetForFlags(flags: readonly string[]): Exclude<Preset, 'host' | 'tensorrt' | 'qnn'> {
  const has = (flag: string): boolean => flags.includes(flag);
  if (has('amx_int8')) return 'amx';
  if (has('avx512_vnni') || has('avx_vnni')) return 'vnni';
  if (has('avx512bw')) return 'avx512';
  return has('asimd') ? 'arm64' : 'avx2';
}

/** `spec` with `host` replaced by what it stands for on a processor with these flags. */
export function resolvePreset<S extends PassSpec>(spec: S, flags: readonly string[]): S {
  return 'preset' in spec && spec.preset === 'host' ? { ...spec, preset: presetForFlags(flags) } : spec;
}
