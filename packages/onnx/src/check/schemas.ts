/** What the standard says about an operator in an operator set version: arity, and attributes with their types. */
import { OPERATOR_SCHEMAS } from '../generated/operators.ts';
import type { AttributeKind } from '../ir/attribute.ts';

export interface OperatorSchema {
  readonly since: number;
  readonly deprecated: boolean;
  readonly inputs: readonly [minimum: number, maximum: number];
  readonly outputs: readonly [minimum: number, maximum: number];
  readonly attributes: ReadonlyMap<string, { readonly kind: AttributeKind; readonly required: boolean }>;
}

const KINDS: Readonly<Record<string, AttributeKind>> = {
  f: 'float',
  i: 'int',
  s: 'string',
  t: 'tensor',
  g: 'graph',
  z: 'sparse-tensor',
  y: 'type',
  F: 'floats',
  I: 'ints',
  S: 'strings',
  T: 'tensors',
  G: 'graphs',
  Z: 'sparse-tensors',
  Y: 'types',
};

/** The newest version of the standard domain in the table. */
export const NEWEST_KNOWN_OPSET = 28;
/** The newest version of the file format in the schema. */
export const NEWEST_KNOWN_IR = 14;

export class SchemaTable {
  readonly #lines = new Map<string, string[]>();
  readonly #parsed = new Map<string, OperatorSchema>();

  constructor() {
    for (const line of OPERATOR_SCHEMAS.split('\n')) {
      const name = line.slice(0, line.indexOf(' '));
      if (name === '') continue;
      const versions = this.#lines.get(name);
      if (versions === undefined) this.#lines.set(name, [line]);
      else versions.push(line);
    }
  }

  /** True when some version of the standard has the operator. */
  has(domain: string, op: string): boolean {
    return this.#lines.has(qualified(domain, op));
  }

  /** The schema in force in `opset`; undefined when the operator came later or does not exist. */
  find(domain: string, op: string, opset: number): OperatorSchema | undefined {
    let found: string | undefined;
    // Versions are listed in ascending order.
    for (const line of this.#lines.get(qualified(domain, op)) ?? []) {
      if (Number(line.split(' ', 2)[1]) <= opset) found = line;
    }
    if (found === undefined) return undefined;
    let schema = this.#parsed.get(found);
    if (schema === undefined) {
      schema = parse(found);
      this.#parsed.set(found, schema);
    }
    return schema;
  }
}

const qualified = (domain: string, op: string): string => (domain === '' ? op : `${domain}.${op}`);

function parse(line: string): OperatorSchema {
  const [, since = '', inputs = '', outputs = '', ...attributes] = line.split(' ');
  const deprecated = inputs === 'deprecated';
  return {
    since: Number(since),
    deprecated,
    inputs: bounds(deprecated ? '0-*' : inputs),
    outputs: bounds(deprecated ? '0-*' : outputs),
    attributes: new Map(
      attributes.map((text) => {
        const [name = '', type = ''] = text.split(':');
        return [name, { kind: KINDS[type.charAt(0)] ?? 'string', required: type.endsWith('!') }];
      }),
    ),
  };
}

function bounds(text: string): readonly [number, number] {
  const [low = '0', high = '0'] = text.split('-');
  return [Number(low), high === '*' ? Infinity : Number(high)];
}
