/**
 * docs/reference/operators.md: what is done with every standard operator. Nothing is listed by hand: inference, evaluation and
 * upgrades have tables, and the passes are asked about a node of each operator whose weights are constant.
 */
import { EVALUATED, EVALUATED_FUNCTIONS } from '../../packages/onnx/src/simplify/evaluate/evaluate.ts';
import { OPERATOR_SCHEMAS } from '../../packages/onnx/src/generated/operators.ts';
import { EXAMINED, NEWEST_OPSET, OLDEST_OPSET } from '../../packages/onnx/src/upgrade/adapters.ts';
import {
  createGraph,
  createInitializer,
  createModel,
  createNode,
  type Graph,
  type Initializer,
  intAttribute,
  type Node,
  SHAPE_INFERENCE_OPERATORS,
  tensorType,
} from '../../packages/onnx/src/index.ts';
import { judgeDynamic } from '../../packages/prepare/src/passes/dynamic/plan.ts';
import { whyNot } from '../../packages/prepare/src/passes/float16/eligible.ts';
import { operatorRule } from '../../packages/prepare/src/passes/static/operators.ts';
import { judgeProduct } from '../../packages/prepare/src/passes/static/products.ts';
import { judge } from '../../packages/prepare/src/passes/weight-only/judge.ts';
import { settingsOf } from '../../packages/prepare/src/passes/weight-only/settings.ts';

interface Versions {
  readonly name: string;
  readonly first: number;
  readonly last: number;
}

/** The operators of the standard domain, with the sets that brought their first and their last version. */
function operators(): readonly Versions[] {
  const found = new Map<string, Versions>();
  for (const line of OPERATOR_SCHEMAS.trim().split('\n')) {
    const [name = '', version = ''] = line.split(' ');
    if (name.includes('.')) continue;
    const first = found.get(name)?.first ?? Number(version);
    found.set(name, { name, first, last: Number(version) });
  }
  return [...found.values()];
}

const zeros = (name: string, dims: readonly number[]): Initializer =>
  createInitializer(name, 'float32', dims, new Uint8Array(4 * dims.reduce((product, dim) => product * dim, 1)));

/** A node that reads a value and two constants in the places of weights, with dims that suit its operator. */
function sample(op: string): { readonly node: Node; readonly graph: Graph } {
  const recurrent = ['LSTM', 'GRU', 'RNN'].includes(op);
  const weight = op.startsWith('Conv') ? [64, 64, 1, 1] : recurrent ? [1, 256, 64] : [64, 64];
  const inputs =
    op === 'Gather' ? ['w', 'x'] : recurrent ? ['x', 'w', 'r'] : op === 'MatMul' ? ['x', 'w'] : ['x', 'w', 'b'];
  const attributes = recurrent ? [intAttribute('hidden_size', 64)] : [];
  const node = createNode(op, inputs, ['y'], { attributes });
  const initializers = [zeros('w', weight), zeros('r', weight), zeros('b', [64])];
  return { node, graph: createGraph({ nodes: [node], initializers }) };
}

const isTarget = (verdict: unknown): boolean => typeof verdict === 'object' && verdict !== null;

function dynamic(op: string): string {
  const { node, graph } = sample(op);
  return isTarget(judgeDynamic(node, (name) => graph.initializers.get(name), 'all')) ? 'yes' : '';
}

function weightOnly(op: string): string {
  const { node, graph } = sample(op);
  const verdict = judge(
    node,
    { graph, isMain: true },
    (name) => {
      const initializer = graph.initializers.get(name);
      return initializer === undefined ? undefined : { initializer, owner: graph };
    },
    {
      settings: settingsOf({ pass: 'quantize.weights' }, createModel({ graph }), null),
      namesOf: () => [],
      isExcluded: () => false,
      typeOf: () => tensorType('float32', ['n', 64]),
    },
  );
  return isTarget(verdict) ? 'yes' : '';
}

function inIntegers(op: string): string {
  const { node, graph } = sample(op);
  if (isTarget(judgeProduct(node, graph, { activations: 'uint8' }))) return 'product';
  return operatorRule(createNode(op, ['x'], ['y']))?.kind ?? '';
}

function half(op: string): string {
  const { node } = sample(op);
  return whyNot(node, () => tensorType('float32', null), NEWEST_OPSET) === null ? 'yes' : '';
}

function evaluated(op: string): string {
  if (EVALUATED.includes(op)) return 'exact';
  return EVALUATED_FUNCTIONS.includes(op) ? 'rounding' : '';
}

export function operatorsReference(): string {
  const all = operators();
  const rows = all.map(({ name, first, last }) => [
    `\`${name}\``,
    first === last ? `${first}` : `${first} … ${last}`,
    SHAPE_INFERENCE_OPERATORS.includes(name) ? 'yes' : '**no**',
    evaluated(name),
    EXAMINED.has(name) ? 'yes' : '**no**',
    dynamic(name),
    inIntegers(name),
    weightOnly(name),
    half(name),
  ]);
  const count = (column: number): number => rows.filter((row) => row[column] !== '' && row[column] !== '**no**').length;
  return `# Operators

What is done with each of the ${all.length} operators of the standard domain (onnx 1.23.2).

- **sets**: the operator sets that brought its first and its last version.
- **inferred**: types and shapes of its outputs follow from its inputs (${count(2)}). Where they do not, what the file notes is used.
- **evaluated**: \`simplify\` computes it when its inputs are constant, to the bit or within a unit in the last place (${count(3)}).
- **raised**: its history from operator set ${OLDEST_OPSET} to ${NEWEST_OPSET} is known, so that a model that uses it can be raised (${count(4)}).
- **dynamic**: \`quantize.dynamic\` makes integers of it when its weight is constant (${count(5)}). Conv is one on request.
- **static**: its role in \`quantize.static\` (${count(6)}): a *product* is the reason for integers; a *join* computes in them between products; a
  *move* hands them on.
- **weights**: \`quantize.weights\` stores its constant weight in few bits (${count(7)}).
- **float16**: \`precision.float16\` lets it compute in half precision where its types allow (${count(8)}).

Operators of \`com.microsoft\` that are inferred: ${SHAPE_INFERENCE_OPERATORS.filter((name) =>
    name.startsWith('com.microsoft.'),
  )
    .map((name) => `\`${name.slice('com.microsoft.'.length)}\``)
    .join(', ')}.

| operator | sets | inferred | evaluated | raised | dynamic | static | weights | float16 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}
`;
}
