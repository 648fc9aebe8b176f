import { describe, expect, it } from 'vitest';
import { compileConfig, configJsonSchema } from './config.ts';
import { defineConfig } from './config/define.ts';
import { custom, metricNameOf } from './config/metrics.ts';
import { search } from './config/search.ts';
import { batching, optimize, prune, quantize } from './passes.ts';

const file = '/project/slipway.config.ts';
const base = { name: 'digits', source: './digits.onnx' };
const compile = (more: object) => compileConfig({ ...base, ...more }, file);

describe('compileConfig', () => {
  it('completes the smallest config', () => {
    expect(compile({})).toEqual({
      file,
      name: 'digits',
      source: '/project/digits.onnx',
      data: { calibration: null, evaluation: null, metrics: null, output: null, group: null, slices: null },
      labels: null,
      transforms: { declared: {}, fuse: false },
      candidates: {},
      search: null,
      objective: 'latency',
      allow: [],
      gates: {},
      measure: { batch: 1, threads: null, iterations: 300, warmup: 20 },
      serve: {},
      store: '/project/.slipway/store',
      seed: 0,
    });
  });

  it('resolves paths from the folder of the config file', () => {
    const config = compile({
      source: '../models/m.onnx',
      store: '/var/store',
      data: {
        calibration: 'c.npz',
        evaluation: { inputs: { a: 'a.npy', b: './b.npy' }, labels: 'l.npy', rows: [0, 10] },
      },
    });
    expect(config.source).toBe('/models/m.onnx');
    expect(config.store).toBe('/var/store');
    expect(config.data.calibration).toEqual({
      inputs: { '*': '/project/c.npz' },
      labels: null,
      group: null,
      rows: null,
    });
    expect(config.data.evaluation).toEqual({
      inputs: { a: '/project/a.npy', b: '/project/b.npy' },
      labels: '/project/l.npy',
      group: null,
      rows: [0, 10],
    });
  });

  it('names the candidates of a search, and calls a plain recipe `recipe`', () => {
    expect(compile({ recipe: [optimize()] }).candidates).toEqual({ recipe: [{ pass: 'optimize' }] });
    const recipes = { small: [prune.magnitude({ rule: 'mean' }), quantize.dynamic()], batched: [batching.dynamic()] };
    expect(compile({ recipe: search(recipes) }).candidates).toEqual(recipes);
  });

  it('gives something frozen, and leaves what the user wrote alone', () => {
    const written = defineConfig({ ...base, gates: { p99Ms: 5 }, recipe: [quantize.static()] });
    const config = compileConfig(written, file);
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(config)).toBe(true);
    expect(Object.isFrozen(written.gates)).toBe(false);
    expect(Object.isFrozen(written.recipe)).toBe(false);
  });

  it('takes a metric by name or with options, several in order, and one’s own by file or function', () => {
    const metrics = (metric: unknown) => compile({ data: { metric } }).data.metrics;
    expect(metrics('f1')).toEqual([{ metric: 'f1' }]);
    expect(metrics(['accuracy', { metric: 'top-k', k: 5 }])).toEqual([
      { metric: 'accuracy' },
      { metric: 'top-k', k: 5 },
    ]);
    expect(metrics(custom('wer', './wer.ts'))).toEqual([
      { metric: 'custom', name: 'wer', function: '/project/wer.ts' },
    ]);
    const own = (): number[] => [1];
    expect(metrics(custom('own', own, { better: 'lower' }))).toMatchObject([{ function: own, better: 'lower' }]);
    const named = [
      'accuracy',
      { metric: 'accuracy', name: 'second', output: 'b' },
      { metric: 'map', boxes: 'b', scores: 's', classes: 'c', iou: 0.5 },
    ];
    expect(metrics(named)!.map(metricNameOf)).toEqual(['accuracy', 'second', 'map-0.5']);
  });

  it('has a JSON Schema that describes every key', () => {
    const { properties, additionalProperties } = configJsonSchema() as {
      properties: object;
      additionalProperties: boolean;
    };
    expect(Object.keys(properties)).toEqual(
      expect.arrayContaining(['name', 'source', 'data', 'recipe', 'gates', 'serve']),
    );
    expect(additionalProperties).toBe(false);
  });
});

describe('what a wrong config is told', () => {
  const recipe = (pass: unknown): object => ({ ...base, recipe: [pass] });
  const evaluation = (value: unknown): object => ({ ...base, data: { evaluation: value } });
  it.each<[string, unknown, string]>([
    ['no default export', undefined, 'the file has no default export'],
    ['not an object', 5, 'must be an object, not 5'],
    ['a missing key', { name: 'x' }, 'source: is missing; a string is needed'],
    ['a bad name', { ...base, name: 'My Model' }, 'name: must be lower-case letters, digits and . _ - between them'],
    ['a misspelt key', { ...base, recipie: [] }, 'unknown key "recipie", did you mean "recipe"?'],
    [
      'two misspelt keys',
      { ...base, gatse: {}, sorce: '' },
      'unknown key "gatse", did you mean "gates"?; unknown key "sorce", did you mean "source"?',
    ],
    ['a misspelt gate', { ...base, gates: { p99MS: 5 } }, 'gates: unknown key "p99MS", did you mean "p99Ms"?'],
    [
      'an unknown key like no other',
      { ...base, serve: { gpu: 1 } },
      'serve: unknown key "gpu" (known: maxBatchSize, latencyBudgetMs, maxQueueRows, threads)',
    ],
    ['a string for a number', { ...base, gates: { p50Ms: '1' } }, 'gates.p50Ms: must be a number, not "1"'],
    ['a fraction', { ...base, seed: 1.5 }, 'seed: must be a whole number, not 1.5'],
    ['too small a number', { ...base, measure: { iterations: 1 } }, 'measure.iterations: must be at least 10, not 1'],
    ['too large a number', { ...base, gates: { cosine: 98 } }, 'gates.cosine: must be at most 1, not 98'],
    [
      'a misspelt metric',
      { ...base, data: { metric: 'acuracy' } },
      'data.metric: must be one of "accuracy", "precision",',
    ],
    [
      'an option of another metric',
      { ...base, data: { metric: { metric: 'mae', k: 5 } } },
      'data.metric: unknown key "k" (known: metric, name, output)',
    ],
    ['a metric without what it needs', { ...base, data: { metric: { metric: 'top-k' } } }, 'data.metric.k: is missing'],
    [
      'the name of a metric that needs more',
      { ...base, data: { metric: 'top-k' } },
      `data.metric: "top-k" needs to know k: { metric: 'top-k', k: 5 }`,
    ],
    [
      'the same metric twice',
      { ...base, data: { metric: ['f1', { metric: 'f1', average: 'macro' }] } },
      'data.metric: "f1-macro" is there twice; give one a `name`',
    ],
    ['a group that is no function', { ...base, data: { group: 'region' } }, 'data.group: must be a function of a row'],
    ['a gate on slices without a bound', { ...base, gates: { slices: {} } }, 'gates.slices: needs a bound'],
    ['zero where it must be more', { ...base, gates: { p99Ms: 0 } }, 'gates.p99Ms: must be more than 0, not 0'],
    [
      'an unknown objective',
      { ...base, objective: 'sise' },
      'objective: must be one of "latency", "size", "accuracy", not "sise", did you mean "size"?',
    ],
    [
      'an unknown pass',
      recipe({ pass: 'optimise' }),
      'recipe[0].pass: must be one of "prune.magnitude", "quantize.dynamic", "quantize.static", "quantize.weights", "quantize.smooth", "quantize.equalise", "optimize", "batch.dynamic", "simplify", "fuse", "precision.float16", "precision.bfloat16", "precision.mixed", not "optimise", did you mean "optimize"?',
    ],
    ['a pass without a name', recipe({}), 'recipe[0].pass: is missing; one of "prune.magnitude",'],
    [
      'a misspelt option of a pass',
      recipe({ pass: 'quantize.static', perchannel: true }),
      'recipe[0]: unknown key "perchannel", did you mean "perChannel"?',
    ],
    [
      'an option of another pass',
      recipe({ pass: 'quantize.dynamic', activations: 'int8' }),
      'recipe[0]: unknown key "activations" (known: pass, preset, perChannel, reduceRange, convolutions, only, exclude)',
    ],
    [
      'a wrong option of a pass',
      recipe({ pass: 'prune.magnitude', rule: 'men' }),
      'recipe[0].rule: must be one of "mean", "threshold", "ratio", "nm", not "men", did you mean "mean"?',
    ],
    [
      'a rule without its value',
      recipe({ pass: 'prune.magnitude', rule: 'ratio' }),
      'recipe[0].ratio: is needed by the rule "ratio"',
    ],
    [
      'a pass that was not called',
      recipe(quantize.static),
      'recipe[0]: must be an object, not a function (is it missing its parentheses?)',
    ],
    ['a recipe that is a name', { ...base, recipe: 'optimize' }, 'recipe: must be a list or an object, not "optimize"'],
    [
      'a pass that is not in a list',
      { ...base, recipe: { candidates: { small: { pass: 'simplify' } } } },
      'recipe.candidates.small: must be a list, not a single pass (put [ ] around it)',
    ],
    [
      'a median bound above that of the tail',
      { ...base, gates: { p50Ms: 5, p99Ms: 2 } },
      'gates.p50Ms: is 5, but p99Ms is 2: no p50 is above its p99',
    ],
    [
      'a bound on memory that no runner meets',
      { ...base, gates: { peakRssBytes: 1000 } },
      'gates.peakRssBytes: is 1000: a runner takes more than',
    ],
    [
      'a candidate named source',
      { ...base, recipe: search({ source: [optimize()] }) },
      'recipe.candidates.source: is the name of the unchanged model, which is always measured',
    ],
    [
      'a misspelt option inside a search',
      { ...base, recipe: search({ a: [{ pass: 'optimize', levl: 'basic' } as never] }) },
      'recipe.candidates.a[0]: unknown key "levl", did you mean "level"?',
    ],
    [
      'a bad candidate name',
      { ...base, recipe: search({ 'A b': [] }) },
      'recipe.candidates["A b"]: the name must match',
    ],
    ['data of a wrong type', evaluation(5), 'data.evaluation: must be a string or an object, not 5'],
    ['an empty path', evaluation(''), 'data.evaluation: must not be empty'],
    [
      'a misspelt key of data',
      { ...base, data: { evalution: 'x' } },
      'data: unknown key "evalution", did you mean "evaluation"?',
    ],
    [
      'a misspelt key of a data source',
      evaluation({ inputs: 'x', label: 'y' }),
      'data.evaluation: unknown key "label", did you mean "labels"?',
    ],
    [
      'a data source without inputs',
      evaluation({ input: 'x' }),
      'data.evaluation.inputs: is missing; a string or an object is needed; data.evaluation: unknown key "input", did you mean "inputs"?',
    ],
    ['an input that is no path', evaluation({ inputs: { x: 5 } }), 'data.evaluation.inputs.x: must be a string, not 5'],
    [
      'a range that runs backwards',
      evaluation({ inputs: 'x', rows: [5, 2] }),
      'data.evaluation.rows: must be [start, end] with start < end',
    ],
    [
      'a range of one number',
      evaluation({ inputs: 'x', rows: [5] }),
      'data.evaluation.rows: must have at least 2 elements',
    ],
    ['a key from the prototype', { ...base, constructor: {} }, 'unknown key "constructor"'],
  ])('%s', (_, exported, problem) => {
    expect(() => compileConfig(exported, file)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', exitCode: 2 }) as Error,
    );
    expect(() => compileConfig(exported, file)).toThrow(`${file}: ${problem}`);
  });
});
