/**
 * Which layers a pass hurts: each is changed alone, and each is left out alone, and the outputs are compared with those of
 * the model before the pass. NMSE = Σ(s − c)² / Σs² over the rows, of the worst output.
 *
 * Alone shows what a layer costs by itself; left out shows what it adds to what all the others do. Rows are calibration rows
 * where there are some, so that the evaluation rows are not looked at once for every layer. The metric is counted on the evaluation
 * rows, and only for layers changed alone: NMSE says how far outputs move, not whether answers change.
 *
 * A probe is a model that nobody wants to keep: only its figures are cached.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import {
  asSlipwayError,
  type Dataset,
  type LayerSensitivity,
  type PassSpec,
  pickRows,
  type Selector,
  type SensitivityReport,
  SOURCE_CANDIDATE,
} from '@slipway/core';
import type { Model } from '@slipway/onnx';
import { cpuPlan, type Runner } from '@slipway/runtime';
import { PASSES } from '../passes/index.ts';
import type { StageCache } from '../pipeline/cache.ts';
import { applyPass, FATAL, makeCandidate, type Made } from '../pipeline/candidate.ts';
import { bytesOf, loadModel, MODEL_FILE } from '../pipeline/model-files.ts';
import { OBSERVED } from '../pipeline/remember.ts';
import { callSize } from '../validate/calls.ts';
import { keeper, type Kept, selectRows } from '../validate/kept.ts';
import { type Metric, type Reader, unitWeights } from '../validate/metric.ts';
import { identityOf } from '../validate/metrics/custom.ts';
import { parityMeter } from '../validate/parity.ts';
import type { Bench } from './bench.ts';
import { severalAtOnce } from './several-at-once.ts';
import { callOn, permutation } from './subset.ts';

const SENSITIVITY_VERSION = 1;
/** Enough for an order of layers; the gates judge the result on all rows. */
const PARITY_ROWS = 64;
const METRIC_ROWS = 512;

/** A pass that takes `exclude` and `only`, as every pass that can be partial does. */
export type Selective = PassSpec & {
  readonly exclude?: readonly Selector[] | undefined;
  readonly only?: readonly Selector[] | undefined;
};

interface Layer {
  readonly name: string;
  readonly operator: string;
}

/** Operators with two operands that are computed in fewer bits even where neither is a weight. */
const PRODUCTS: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose', 'ConvInteger', 'Einsum']);

/** Named nodes that hold a weight, or multiply. */
function layersOf({ graph }: Model): Layer[] {
  const isWeight = (name: string): boolean => (graph.initializers.get(name)?.dims.length ?? 0) >= 2;
  return graph.nodes
    .filter((node) => node.name !== '' && (PRODUCTS.has(node.op) || node.inputs.some(isWeight)))
    .map((node) => ({ name: node.name, operator: node.op }));
}

interface Probe {
  readonly nmse: number;
  /** Share of rows answered correctly; null without labels. */
  readonly metric: number | null;
}

/**
 * @param before the passes of the recipe before `spec`
 * @returns layers that the pass changes, the most sensitive first
 */
export async function measureSensitivity(
  before: readonly PassSpec[],
  spec: Selective,
  bench: Bench,
): Promise<SensitivityReport> {
  const { context, data, imported } = bench;
  const upstream = await makeCandidate('upstream', before, imported, data.calibration, context);
  const layers = layersOf(await loadModel(upstream.directory));
  const isSource = upstream.model.digest === bench.source.made.model.digest;
  await using runners = bench.openRunners();
  const [metric] = data.specs;
  const rowsOfParity = data.calibration ?? data.evaluation;
  const probe = async (variant: Selective, kind: 'alone' | 'without'): Promise<Probe | null> => {
    const { cache, session, tools } = context;
    const material = {
      version: [SENSITIVITY_VERSION, PASSES[spec.pass].version],
      upstream: upstream.model.digest,
      variant,
      kind,
      rows: [rowsOfParity.digest, data.evaluation.digest, data.calibration?.digest ?? null],
      metric: metric === undefined ? null : await identityOf(metric),
      output: data.output,
      labels: context.config.labels,
      seed: context.config.seed,
      session,
      tools,
    };
    const { value } = await cache.stage('sensitivity', material, () =>
      withProbe(variant, upstream, bench, async (made) => {
        await using own = bench.openRunners();
        const file = path.join(made.directory, MODEL_FILE);
        const candidate = await own.get(made.name, file);
        const source = await runners.get(SOURCE_CANDIDATE, path.join(bench.source.made.directory, MODEL_FILE));
        // Without passes before this one, it is the source that is quantized.
        const reference = isSource
          ? source
          : bench.answers.of(await runners.get('upstream', path.join(upstream.directory, MODEL_FILE)));
        const nmse = await noiseOf(reference, candidate, rowsOfParity, data.output, bench);
        return { nmse, metric: kind === 'alone' ? await metricOf(candidate, source, bench) : null };
      }),
    );
    return value;
  };

  let begun = 0;
  const look = async ({ name, operator }: Layer): Promise<LayerSensitivity | null> => {
    context.signal.throwIfAborted();
    context.tell('search', spec.pass, `layer ${begun + 1} of ${layers.length}`, begun / layers.length);
    begun++;
    const alone = await probe({ ...spec, only: [name] }, 'alone');
    // The pass does nothing to it: no layer of this pass.
    if (alone === null) return null;
    const without = await probe({ ...spec, exclude: [...(spec.exclude ?? []), name] }, 'without');
    const reference = referenceMetric(bench);
    const change = alone.metric === null || reference === null ? null : alone.metric - reference;
    const metricDrop = change === null ? null : data.metrics[0]?.better === 'lower' ? change : 0 - change;
    return { name, operator, nmseAlone: alone.nmse, nmseWithout: without?.nmse ?? 0, metricDrop, leftOut: false };
  };
  const bytes = await bytesOf(upstream.directory, upstream.model.files);
  const looked = await severalAtOnce(layers, probesAtOnce(bytes, bench), look);
  const found = looked.filter((layer) => layer !== null);
  found.sort((a, b) => b.nmseAlone - a.nmseAlone || a.nmseWithout - b.nmseWithout);
  return { pass: spec.pass, rows: Math.min(PARITY_ROWS, rowsOfParity.rowCount), layers: found, steps: [] };
}

/** A probe holds the model while the pass works, again while it is written, and in its runner. */
const COPIES = 4;

/**
 * As many as there are cores for, and two at least: while one starts a process or writes a file, another computes. Fewer where memory
 * would not hold them. Nothing is timed, so they may disturb each other.
 */
function probesAtOnce(bytes: number, { context }: Bench): number {
  const cores = Math.max(2, Math.floor(cpuPlan().cores / context.session.threads));
  return Math.max(1, Math.min(cores, Math.floor(context.memoryBytes / (COPIES * bytes))));
}

/** Apply one pass, look at the model, and forget it. null when the pass does not apply to what is left of it. */
async function withProbe(
  spec: PassSpec,
  upstream: Made,
  bench: Bench,
  look: (made: Made) => Promise<Probe>,
): Promise<Probe | null> {
  const { context, imported, data } = bench;
  const directories: string[] = [];
  const cache: StageCache = {
    stage: async (kind, material, make) => {
      // What the pass observes on the way is the same in every probe.
      if (kind === OBSERVED) return context.cache.stage(kind, material, make);
      const directory = await context.cache.scratch();
      directories.push(directory);
      return { value: await make(directory), directory, cached: false };
    },
    find: (kind, material) => (kind === OBSERVED ? context.cache.find(kind, material) : Promise.resolve(null)),
    scratch: () => context.cache.scratch(),
    close: () => Promise.resolve(),
  };
  try {
    const quiet = { ...context, cache, tell: () => undefined };
    const made = await applyPass({ ...upstream, name: 'probe' }, spec, imported, data.calibration, quiet);
    return await look(made);
  } catch (error) {
    context.signal.throwIfAborted();
    const problem = asSlipwayError(error);
    if (FATAL.has(problem.code)) throw problem;
    if (problem.code === 'PASS_NOT_APPLICABLE') return null;
    throw problem;
  } finally {
    await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
  }
}

type Runs = Pick<Runner, 'run' | 'signature'>;

async function noiseOf(
  reference: Runs,
  candidate: Runs,
  dataset: Dataset,
  output: string,
  bench: Bench,
): Promise<number> {
  const meter = parityMeter('probe', output);
  for (const indices of callsOf(reference, dataset, PARITY_ROWS, bench)) {
    const inputs = pickRows(dataset, indices);
    const [expected, actual] = await Promise.all([reference.run(inputs), candidate.run(inputs)]);
    meter.add(expected, actual, indices.length);
  }
  const { sqnrDb } = meter.result();
  return sqnrDb === null ? 0 : 10 ** (-sqnrDb / 10);
}

/** The primary metric on some of the evaluation rows. */
async function metricOf(candidate: Runs, source: Runs, bench: Bench): Promise<number | null> {
  const { evaluation, metrics } = bench.data;
  const [metric] = metrics;
  if (metric === undefined) return null;
  const kept = keeper();
  let reader: Reader | null = null;
  for (const indices of callsOf(source, evaluation, METRIC_ROWS, bench)) {
    const call = await callOn(candidate, source, evaluation, indices);
    reader ??= metric.reader({ ...call, outputs: call.source });
    await reader(call, (row) => kept.add(row));
  }
  return figureOf(metric, kept.finish());
}

/** The primary metric of the source on the same rows. */
function referenceMetric(bench: Bench): number | null {
  const [metric] = bench.data.metrics;
  const kept = bench.evaluation.kept[0];
  if (metric === undefined || kept === undefined) return null;
  const { signature } = bench.source.examined;
  return figureOf(metric, selectRows(kept, callsOf({ signature }, bench.data.evaluation, METRIC_ROWS, bench).flat()));
}

function figureOf(metric: Metric, kept: Kept): number | null {
  const value = metric.figure(kept)(unitWeights(kept.rows));
  return Number.isNaN(value) ? null : value;
}

/** The first rows of a random order, in whole calls. */
function callsOf(model: Pick<Runs, 'signature'>, dataset: Dataset, most: number, bench: Bench): number[][] {
  const size = callSize(model.signature, dataset);
  const order = permutation(dataset.rowCount, bench.context.config.seed).slice(0, Math.max(most, size));
  const calls: number[][] = [];
  for (let at = 0; at + size <= order.length || (at === 0 && at < order.length); at += size) {
    calls.push(order.slice(at, at + size));
  }
  return calls;
}
