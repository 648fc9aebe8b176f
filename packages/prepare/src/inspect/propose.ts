/**
 * What `slipway init` writes for a model: a typed, commented config and a sample request. Both work as they are; what needs
 * something only the user has (labelled rows) is there as a comment to fill in.
 */
import path from 'node:path';
import { columnRows, describeSpec, rows, type Signature, type Tensor, tensorToJson } from '@slipway/core';
import { fixedBatch, isModelName, type PassName } from '@slipway/core';
import { formatBytes, formatCount } from '../report/format.ts';
import { generateRows } from '../validate/generated.ts';
import { inspectModel, type Inspection } from './inspect.ts';

export interface ProposeOptions {
  /** Name of the model. Default: made of the name of the file. */
  readonly name?: string | undefined;
  /** Where the files will be written: the path of the model is relative to it. Default: the current directory. */
  readonly directory?: string | undefined;
}

export interface Proposal {
  readonly name: string;
  /** File name → content. */
  readonly files: { readonly 'slipway.config.ts': string; readonly 'sample.json': string };
}

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE, MODEL_FORMAT, MODEL_INVALID */
export async function proposeProject(file: string, options: ProposeOptions = {}): Promise<Proposal> {
  const inspection = await inspectModel(file);
  const name = options.name ?? nameFor(file);
  const relative = path
    .relative(options.directory ?? process.cwd(), inspection.path)
    .split(path.sep)
    .join('/');
  const source = relative.startsWith('.') || path.isAbsolute(relative) ? relative : `./${relative}`;
  const config = renderConfig(name, source, inspection);
  return { name, files: { 'slipway.config.ts': config, 'sample.json': sampleRequest(inspection.signature) } };
}

/** `My Model (v2).onnx` → `my-model-v2` */
export function nameFor(file: string): string {
  const stem = path
    .basename(file)
    .replace(/\.onnx$/i, '')
    .toLowerCase();
  const name = stem
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 64)
    .replace(/-+$/, '');
  return isModelName(name) ? name : 'model';
}

const SAMPLE_ROWS = 2;

/** Rows as TensorFlow Serving takes them; columns where an input has no row axis. */
function sampleRequest(signature: Signature): string {
  const count = fixedBatch(signature) ?? SAMPLE_ROWS;
  const { inputs } = generateRows(signature, count, 1);
  const short = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, shorten(columnRows(value, 0, count))]),
  );
  const [only] = signature.inputs;
  if (signature.inputs.some(({ shape }) => shape?.length === 0)) {
    const scalars = new Set(signature.inputs.filter(({ shape }) => shape?.length === 0).map(({ name }) => name));
    const columns = Object.entries(short).map(([name, value]) => [
      name,
      tensorToJson(scalars.has(name) ? { ...value, shape: [] } : value),
    ]);
    return `${JSON.stringify({ inputs: Object.fromEntries(columns) as unknown })}\n`;
  }
  const instances = Array.from({ length: count }, (_, row) => {
    const values = Object.entries(short).map(
      ([name, value]) => [name, (tensorToJson(rows(value, row, row + 1)) as unknown[])[0]] as const,
    );
    return signature.inputs.length === 1 && only !== undefined ? values[0]?.[1] : Object.fromEntries(values);
  });
  // A row per line: people read and edit this file.
  return `{"instances": [\n${instances.map((instance) => `  ${JSON.stringify(instance)}`).join(',\n')}\n]}\n`;
}

/** Sixteenths are short in decimal and exact in binary. */
function shorten(value: Tensor): Tensor {
  if (value.dtype !== 'float32' && value.dtype !== 'float64') return value;
  return { ...value, data: value.data.map((x) => Math.round(x * 16) / 16) } as Tensor;
}

interface Recipe {
  /** Name of the candidate. */
  readonly name: string;
  readonly code: string;
  readonly why: string;
  /** Why the recipe is a comment at first: what the user must give, or want. */
  readonly until?: string;
}

/** What is proposed for each pass, in this order. */
const RECIPES: Readonly<Record<PassName, Recipe>> = {
  simplify: {
    name: 'simplified',
    code: 'simplify()',
    why: 'Evaluate constants, remove what does nothing, fuse neighbours: a smaller graph that computes the same.',
  },
  fuse: {
    name: 'fused',
    code: 'fuse()',
    why: "ONNX Runtime's own attention, GELU and residual normalization: fewer nodes, a faster load, for that engine only.",
  },
  optimize: {
    name: 'optimized',
    code: 'optimize()',
    why: 'What ONNX Runtime folds and fuses at load, ahead of time: same answers, often loads faster.',
  },
  'batch.dynamic': {
    name: 'batchable',
    code: 'batching.dynamic()',
    why: 'Let requests share a call: more throughput.',
  },
  'prune.magnitude': {
    name: 'pruned',
    code: "prune.magnitude({ rule: 'ratio', ratio: 0.3 })",
    why: 'Zero the smallest 30 % of the weights: smaller downloads, same speed.',
  },
  'quantize.dynamic': {
    name: 'int8-dynamic',
    code: 'quantize.dynamic()',
    why: '8-bit weights, activations at run time: a quarter of the size.',
  },
  'quantize.static': {
    name: 'int8-static',
    code: 'quantize.static()',
    why: '8-bit weights and activations: a quarter of the size, often fastest.',
    until: 'Needs data.calibration.',
  },
  'quantize.smooth': {
    name: 'int8-smooth',
    code: 'quantize.smooth(), quantize.static()',
    why: 'The same, with outlier channels of activations shared with the weights first: for transformers that lose accuracy.',
    until: 'Needs data.calibration.',
  },
  'quantize.equalise': {
    name: 'int8-equalised',
    code: 'quantize.equalise(), quantize.static({ perChannel: false })',
    why: 'One scale per weight, with channels balanced between layers first: for targets without scales per channel.',
    until: 'Needs data.calibration.',
  },
  'quantize.weights': {
    name: 'int4-weights',
    code: 'quantize.weights()',
    why: '4-bit weights, float activations: a seventh of the size of large matrices.',
  },
  'precision.float16': {
    name: 'float16',
    code: 'precision.float16()',
    why: 'Half precision: half the size, nearly the same answers.',
    until: 'No faster on a CPU.',
  },
  'precision.mixed': {
    name: 'mixed',
    code: 'precision.mixed()',
    why: 'Float16 where the outputs stay close, float32 elsewhere.',
    until: 'Needs data.calibration.',
  },
  'precision.bfloat16': {
    name: 'bfloat16',
    code: 'precision.bfloat16()',
    why: 'Weights in bfloat16: half the size without the narrow range of float16.',
    until: 'No faster on a CPU.',
  },
};

function renderConfig(name: string, source: string, inspection: Inspection): string {
  const applicable = (Object.keys(RECIPES) as PassName[])
    .filter((pass) => inspection.passes.some((each) => each.pass === pass && each.applicable))
    .map((pass) => RECIPES[pass]);
  const active = applicable.filter(({ until }) => until === undefined);
  const makers = active.flatMap(({ code }) => /^\w+/.exec(code) ?? []);
  const imported = [...new Set(['defineConfig', ...(active.length === 0 ? [] : ['search']), ...makers])].sort();
  const { inputs, outputs } = inspection.signature;
  const opset = inspection.opsets['ai.onnx'] ?? 0;
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const comment = (text: string): string => text.replaceAll(/[\r\n]+/g, ' ');
  return `${[
    `// ${comment(path.basename(inspection.path))}: ${formatBytes(inspection.bytes + inspection.external.bytes)}, ${formatCount(inspection.parameters.count)} parameters, opset ${opset}`,
    ...inputs.map((spec) => `//   in   ${comment(spec.name)}: ${describeSpec(spec)}`),
    ...outputs.map((spec) => `//   out  ${comment(spec.name)}: ${describeSpec(spec)}`),
    `import { ${imported.join(', ')} } from 'slipway';`,
    '',
    'export default defineConfig({',
    `  name: ${quote(name)},`,
    `  source: ${quote(source)},`,
    '',
    '  // Every recipe becomes a candidate, measured beside the unchanged source. What is not better is not released.',
    ...(active.length === 0
      ? ['  // No pass applies to this model: it is measured and released as it is.']
      : recipeLines(applicable)),
    '',
    "  // Which of the candidates that pass the gates wins: 'latency', 'size' or 'accuracy'.",
    "  objective: 'latency',",
    '',
    '  // Bounds every candidate must satisfy. Cosine compares outputs with those of the source and needs no labels.',
    '  gates: {',
    '    cosine: 0.99,',
    '    // drop: 0.01, // at most one percentage point below the source; needs labels',
    '    // p99Ms: 5,',
    '  },',
    '',
    '  // Without data, candidates are measured on made-up inputs, and accuracy is not measured. With your own rows it is:',
    '  // data: {',
    "  //   calibration: './calibration.npz', // 100 to 200 typical rows; never evaluation rows",
    "  //   evaluation: './evaluation.npz', // held-out rows, with their answers in an array `labels`",
    '  // },',
    "  // labels: ['first class', 'second class'],",
    '});',
  ].join('\n')}\n`;
}

function recipeLines(applicable: readonly Recipe[]): string[] {
  const lines = applicable.flatMap(({ name, code, why, until }) => {
    const key = /^[a-z]\w*$/.test(name) ? name : `'${name}'`;
    const hint = until === undefined ? why : `${why} ${until}`;
    return [`    // ${hint}`, `    ${until === undefined ? '' : '// '}${key}: [${code}],`];
  });
  return ['  recipe: search({', ...lines, '  }),'];
}
