/** The key `data.metric` of the config: one metric or several, by name or with options. */
import { z } from 'zod';
import { metricSchema, type MetricSpec } from './metric-schema.ts';
import { metricNameOf } from './metrics.ts';

/** Kinds that need no options, so that their name alone will do. */
const SHORT = metricSchema.options
  .map(({ shape }) => shape.metric.value)
  .filter((kind) => kind !== 'top-k' && kind !== 'map' && kind !== 'custom');

/** Kinds whose name says too little, and what to write instead. */
const LONG: ReadonlyMap<unknown, string> = new Map([
  ['top-k', "needs to know k: { metric: 'top-k', k: 5 }"],
  ['map', "needs to know where boxes, scores and classes are: { metric: 'map', … }"],
  ['custom', "needs a function: custom('name', './metric.ts')"],
]);

const shortName = z.enum(SHORT, {
  error: ({ input }) => (LONG.has(input) ? `"${String(input)}" ${LONG.get(input) ?? ''}` : undefined),
});
const metricEntry = z.union([shortName, metricSchema]);
const specOf = (entry: z.infer<typeof metricEntry>): MetricSpec =>
  typeof entry === 'string' ? metricSchema.parse({ metric: entry }) : entry;

export const metricsSchema = z.union([metricEntry, z.array(metricEntry).min(1)]).check(({ value, issues }) => {
  const names = Array.isArray(value) ? value.map((entry) => metricNameOf(specOf(entry))) : [];
  const twice = names.find((each, at) => names.indexOf(each) < at);
  if (twice !== undefined) {
    issues.push({ code: 'custom', message: `"${twice}" is there twice; give one a \`name\``, input: value });
  }
});

/** @returns specs in the order given, the primary one first; null when the config names none */
export function compileMetrics(
  user: z.infer<typeof metricsSchema> | undefined,
  resolve: (relative: string) => string,
): readonly MetricSpec[] | null {
  if (user === undefined) return null;
  return (Array.isArray(user) ? user : [user]).map((entry) => {
    const spec = specOf(entry);
    if (spec.metric !== 'custom' || typeof spec.function !== 'string') return spec;
    return { ...spec, function: resolve(spec.function) };
  });
}
