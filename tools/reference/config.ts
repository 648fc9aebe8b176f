/** docs/reference/config.md: every key of slipway.config.ts, from the schema that validates it. */
import { configJsonSchema } from '@slipway/core';

interface Schema {
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

/** Documented once, below, instead of wherever a pass can stand. */
const isPass = (schema: Schema): boolean =>
  schema.oneOf?.every((branch) => branch.properties?.['pass'] !== undefined) === true;

export function configReference(): string {
  const schema = configJsonSchema() as Schema;
  const passes = findPasses(schema)?.oneOf ?? [];
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
  gates: { accuracyDrop: 0.01 },
});
\`\`\`

## Keys

| key | type | |
| --- | --- | --- |
${rows(schema, '').join('\n')}

## Passes

What a recipe is made of. Written with the functions named here, they are plain objects: \`{ pass: 'optimize' }\`.

${passes.map(passSection).join('\n')}
`;
}

function rows(schema: Schema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const name = `${prefix}${key}`;
    const required = schema.required?.includes(key) === true ? ' **Required.**' : '';
    const own = `| \`${name}\` | ${typeOf(value)} | ${cell(value.description ?? '')}${required} |`;
    const nested = [value, ...(value.anyOf ?? [])].flatMap((branch) =>
      isPass(branch) ? [] : rows(branch, `${name}.`),
    );
    return [own, ...nested];
  });
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(JSON.stringify(value))).join(', ');
  if (isPass(schema)) return '[pass](#passes)';
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

function findPasses(schema: Schema): Schema | null {
  if (isPass(schema)) return schema;
  const children = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []),
  ];
  for (const child of children) {
    const found = findPasses(child);
    if (found !== null) return found;
  }
  return null;
}

const code = (text: string): string => `\`${cell(text)}\``;
const cell = (text: string): string => text.replaceAll('|', '\\|');
