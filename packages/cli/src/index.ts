/**
 * What `import … from 'slipway'` gives a `slipway.config.ts`: the words a configuration is written in, nothing else.
 */
export {
  anyOf,
  batching,
  between,
  type Config,
  custom,
  defineConfig,
  fuse,
  type Gates,
  type GroupFunction,
  type MetricCall,
  type MetricFunction,
  type Objective,
  optimize,
  optional,
  partial,
  type PassSpec,
  prune,
  precision,
  quantize,
  search,
  simplify,
  transform,
  type UserConfig,
} from '@slipway/core';
