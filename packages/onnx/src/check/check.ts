/**
 * Checks a model against the standard and says exactly what is wrong and where. Nothing is repaired and nothing is run;
 * problems are collected, so that one run tells all of them (up to a bound).
 */
import { fail } from '@slipway/core';
import type { ExternalOptions } from '../external/files.ts';
import { checkFunctions } from './functions.ts';
import { readNames, subgraphsOf } from '../graph/scope.ts';
import { topologicalOrder } from '../graph/topological.ts';
import type { Graph } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import { type Node, opName } from '../ir/node.ts';
import { checkNode, type NodeRules } from './nodes.ts';
import type { Problem, Report } from './problem.ts';
import { NEWEST_KNOWN_IR, NEWEST_KNOWN_OPSET, SchemaTable } from './schemas.ts';
import { checkTensor } from './tensors.ts';

export interface CheckOptions extends ExternalOptions {
  /** Where external data must be. Default: where the model was read from; without that it is not looked for. */
  readonly baseDirectory?: string;
}

/** A damaged model can have a problem per node; nobody reads more than this. */
const MAX_PROBLEMS = 100;

/** Everything wrong with the model; nothing for a good one. */
export function checkModel(model: Model, options: CheckOptions = {}): readonly Problem[] {
  const problems: Problem[] = [];
  const report: Report = (problem) => {
    if (problems.length < MAX_PROBLEMS) problems.push(problem);
  };
  checkVersions(model, report);
  const rules: NodeRules = {
    schemas: new SchemaTable(),
    opsets: model.opsets,
    functions: new Set(model.functions.map(({ domain, name }) => `${domain}.${name}`)),
  };
  new GraphChecker(rules, options, report).graph(model.graph, 'graph', new Set());
  checkFunctions(model, rules, options, report);
  return problems;
}

/**
 * What is merely unknown here passes: the engine has the last word on custom operators.
 * @throws MODEL_INVALID or EXTERNAL_DATA with the first problem, and how many more there are
 */
export function assertModel(model: Model, path: string, options: CheckOptions = {}): void {
  const [first, ...more] = checkModel(model, options).filter(({ kind }) => kind !== 'unsupported');
  if (first === undefined) return;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  if (first.kind === 'external') {
    const problem = `${first.problem.replace(/^external data /, '')}${others}`;
    throw fail('EXTERNAL_DATA', { path, tensor: /"(.*)"$/.exec(first.where)?.[1] ?? first.where, problem });
  }
  throw fail('MODEL_INVALID', { path, where: first.where, problem: `${first.problem}${others}` });
}

function checkVersions(model: Model, report: Report): void {
  const invalid = (problem: string): void => report({ where: 'model', problem, kind: 'invalid' });
  if (model.irVersion === 0) invalid('says no IR version');
  if (model.irVersion > NEWEST_KNOWN_IR) {
    report({
      where: 'model',
      problem: `has IR version ${model.irVersion}, newest known is ${NEWEST_KNOWN_IR}`,
      kind: 'unsupported',
    });
  }
  if (model.irVersion >= 3 && model.opsets.size === 0) invalid('imports no operator set');
  const opset = model.opsets.get('') ?? 0;
  if (opset > NEWEST_KNOWN_OPSET) {
    report({
      where: 'model',
      problem: `imports opset ${opset}, newest known is ${NEWEST_KNOWN_OPSET}`,
      kind: 'unsupported',
    });
  }
}

class GraphChecker {
  readonly #rules: NodeRules;
  readonly #options: CheckOptions;
  readonly #report: Report;

  constructor(rules: NodeRules, options: CheckOptions, report: Report) {
    this.#rules = rules;
    this.#options = options;
    this.#report = report;
  }

  /** @param outer names of the graphs around, which this one may read and must not define again */
  graph(graph: Graph, where: string, outer: ReadonlySet<string>): void {
    const invalid = (at: string, problem: string): void => this.#report({ where: at, problem, kind: 'invalid' });
    const defined = new Map<string, string>();
    const define = (name: string, by: string): void => {
      const other = defined.get(name) ?? (outer.has(name) ? 'a value of a graph around it' : undefined);
      if (other === undefined) defined.set(name, by);
      else invalid(`${where} / ${by}`, `defines "${name}", which is already ${other}`);
    };
    for (const input of graph.inputs) {
      const at = `${where} / input "${input.name}"`;
      if (input.name === '') invalid(at, 'has no name');
      if (input.type === null && outer.size === 0) invalid(at, 'is declared without a type');
      define(input.name, `input "${input.name}"`);
    }
    const inputNames = new Set(graph.inputs.map((input) => input.name));
    for (const [name, tensor] of graph.initializers) {
      const by = `initializer "${name}"`;
      if (name === '') invalid(`${where} / initializer`, 'has no name');
      // An initializer may give an input its default value.
      if (!inputNames.has(name)) define(name, by);
      this.#tensor(tensor, `${where} / ${by}`);
    }
    for (const [name, { values, indices }] of graph.sparseInitializers) {
      const by = `sparse initializer "${name}"`;
      if (!inputNames.has(name)) define(name, by);
      if ([values, indices].some((part) => (part?.externalData.length ?? 0) > 0)) {
        invalid(`${where} / ${by}`, 'has external data, which only dense tensors may have here');
      }
    }

    const places = graph.nodes.map((node, index) => `${where} / ${place(node, index)}`);
    const makers = new Map(graph.nodes.flatMap((node, index) => node.outputs.map((name) => [name, index] as const)));
    const ordered = this.#ordered(graph, where);
    const names = new Map<string, number>();
    graph.nodes.forEach((node, index) => {
      const at = places[index] ?? where;
      const twin = node.name === '' ? undefined : names.get(node.name);
      if (twin !== undefined) invalid(at, `has the name of node #${twin}`);
      if (node.name !== '') names.set(node.name, index);
      for (const name of readNames(node)) {
        if (defined.has(name) || outer.has(name)) continue;
        const maker = makers.get(name);
        if (maker === undefined) {
          invalid(at, `reads "${name}", which is not an input, an initializer or the output of a node`);
        } else if (ordered) {
          invalid(
            at,
            `reads "${name}" before ${place(graph.nodes[maker] ?? node, maker)} computes it: nodes must be in order`,
          );
        }
      }
      for (const name of node.outputs) if (name !== '') define(name, place(node, index));
      checkNode(node, at, this.#rules, this.#report);
      for (const attribute of node.attributes.values()) {
        const tensors =
          attribute.kind === 'tensor' ? [attribute.value] : attribute.kind === 'tensors' ? attribute.value : [];
        for (const tensor of tensors) this.#tensor(tensor, `${at} / attribute "${attribute.name}"`);
      }
      const inners = subgraphsOf(node);
      if (inners.length === 0) return;
      const visible = new Set([...outer, ...defined.keys()]);
      for (const inner of inners) this.graph(inner, `${at} / graph "${inner.name}"`, visible);
    });
    if (graph.outputs.length === 0) invalid(where, 'has no outputs');
    const outputs = new Set<string>();
    for (const { name, type } of graph.outputs) {
      const at = `${where} / output "${name}"`;
      if (!defined.has(name) && !outer.has(name)) invalid(at, 'is computed by no node');
      if (type === null && outer.size === 0) invalid(at, 'is declared without a type');
      if (outputs.has(name)) invalid(at, 'is listed twice');
      outputs.add(name);
    }
  }

  /** False when the nodes form a cycle, which is reported once; that they are out of order then needs no saying. */
  #ordered(graph: Graph, where: string): boolean {
    try {
      topologicalOrder(graph.nodes);
      return true;
    } catch (error) {
      this.#report({
        where,
        problem: error instanceof Error ? error.message.replace(/^model: graph: /, '') : String(error),
        kind: 'invalid',
      });
      return false;
    }
  }

  #tensor(tensor: Parameters<typeof checkTensor>[0], where: string): void {
    const bound = tensor.data.kind === 'external' ? tensor.data.directory : null;
    checkTensor(tensor, where, this.#options.baseDirectory ?? bound, this.#options, this.#report);
  }
}

/** By position too: names may be missing or repeated in a model that is being checked. */
function place(node: Node, index: number): string {
  return `node #${index} ${node.name === '' ? '' : `"${node.name}" `}(${opName(node)})`;
}
