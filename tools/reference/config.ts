/** docs/reference/config.md: every key of slipway.config.ts, from the schema that validates it. */
import { configJsonSchema } from '@slipway/core/schemas';

export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** Documented once, below, instead of wherever a pass, a metric or a transform can stand. */
const isUnionOf =
  (kind: 'pass' | 'metric' | 'transform') =>
  (schema: Schema): boolean =>
    schema.oneOf?.every((branch) => branch.properties?.[kind] !== undefined) === true;
const isPass = isUnionOf('pass');
const isMetric = isUnionOf('metric');
const isTransform = isUnionOf('transform');

export function configReference(): string {
  const schema = configJsonSchema() as Schema;
  const passes = findSchema(schema, isPass)?.oneOf ?? [];
  const metrics = findSchema(schema, isMetric)?.oneOf ?? [];
  const { inputs, outputs } = schema.properties?.['transforms']?.properties ?? {};
  return `# slipway.config.ts

The config is a module whose default export is \`defineConfig({ … })\`. Relative paths are relative to the file. Unknown keys are
errors. \`import … from 'slipway'\` works in any directory, without node_modules.

\`\`\`ts
import { defineConfig, prune, quantize, search } from 'slipway';

export default defineConfig({
  name: 'digits',
  source: './digits.onnx',
  data: { calibration: './calibration.npz', evaluation: './evaluation.npz' },
  recipe: search({
    int8: [quantize.static()],
    pruned: [prune.magnitude({ rule: 'mean' })],
  }),
  objective: 'latency',
  gates: { drop: 0.01 },
});
\`\`\`

## Keys

| key | type | |
| --- | --- | --- |
${rows(schema, '').join('\n')}

## Passes

What a recipe is made of. Written with the functions named here, they are plain objects: \`{ pass: 'optimize' }\`.

${passes.map(passSection).join('\n')}

## Metrics

What \`data.metric\` can name, by itself or with options: \`'f1'\`, \`{ metric: 'f1', average: 'micro' }\`. How each is defined is in
the [guide](../guides/metrics.md). \`custom('name', './metric.ts')\` makes one of a function. Every metric takes a \`name\`, which
it has in the report and in gates (by default made of the options), and an \`output\`, the one it reads (by default \`data.output\`).

${metrics.map(metricSection).join('\n')}

## Transforms

The steps of \`transforms.inputs\` and \`transforms.outputs\`, in the order in which they run. What they are for is in the
[guide](../guides/transforms.md). Shapes and axes are those of one row.

${transformSections(inputs, 'input step')}
${transformSections(outputs, 'output step')}`;
}

export function rows(schema: Schema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const name = `${prefix}${key}`;
    const required = schema.required?.includes(key) === true ? ' **Required.**' : '';
    const own = `| \`${name}\` | ${typeOf(value)} | ${cell(value.description ?? '')}${required} |`;
    const nested = [value, ...(value.anyOf ?? [])].flatMap((branch) =>
      isPass(branch) || isMetric(branch) ? [] : rows(branch, `${name}.`),
    );
    return [own, ...nested];
  });
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(JSON.stringify(value))).join(', ');
  if (isPass(schema)) return '[pass](#passes)';
  if (isTransform(schema)) return '[transform](#transforms)';
  // Their names alone stand beside it.
  if (isMetric(schema) || schema.anyOf?.some(isMetric) === true) return '[metric](#metrics)';
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) return [...new Set(branches.map(typeOf))].join(' or ');
  if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(typeOf).join(', ')}]`;
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'anything' : typeOf(schema.items)}`;
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object' && schema.properties === undefined) {
    return `object of ${typeOf(schema.additionalProperties)}`;
  }
  if (schema.type === 'integer') return 'whole number';
  return typeof schema.type === 'string' ? schema.type : 'value';
}

function passSection(schema: Schema): string {
  const { pass, ...options } = schema.properties ?? {};
  const name = typeof pass?.const === 'string' ? pass.const : '';
  const keys = rows({ properties: options, required: schema.required ?? [] }, '');
  const table = keys.length === 0 ? 'No options.\n' : `| option | type | |\n| --- | --- | --- |\n${keys.join('\n')}\n`;
  const call = name === 'batch.dynamic' ? 'batching.dynamic()' : `${name}({ … })`;
  return `### ${name}\n\n\`${call}\`${schema.description === undefined ? '' : `: ${schema.description}`}\n\n${table}`;
}

function metricSection(schema: Schema): string {
  const { metric, name, output, ...options } = schema.properties ?? {};
  const title = typeof metric?.const === 'string' ? metric.const : '';
  const required = schema.required ?? [];
  const keys = rows(
    { properties: { ...(required.includes('name') && name ? { name } : {}), ...options }, required },
    '',
  );
  const table = keys.length === 0 ? '' : `\n| option | type | |\n| --- | --- | --- |\n${keys.join('\n')}\n`;
  return `### ${title}\n\n${schema.description ?? ''}${output === undefined ? ' Takes no `output`.' : ''}\n${table}`;
}

function transformSections(list: Schema | undefined, side: string): string {
  return (list?.items?.oneOf ?? [])
    .map((schema) => {
      const { transform, ...options } = schema.properties ?? {};
      const name = typeof transform?.const === 'string' ? transform.const : '';
      const table = rows({ properties: options, required: schema.required ?? [] }, '').join('\n');
      return `### transform.${name}, ${side}\n\n| option | type | |\n| --- | --- | --- |\n${table}\n`;
    })
    .join('\n');
}

function findSchema(schema: Schema, isWanted: (schema: Schema) => boolean): Schema | null {
  if (isWanted(schema)) return schema;
  const children = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []),
  ];
  for (const child of children) {
    const found = findSchema(child, isWanted);
    if (found !== null) return found;
  }
  return null;
}

const code = (text: string): string => `\`${cell(text)}\``;
const cell = (text: string): string => text.replaceAll('|', '\\|');
