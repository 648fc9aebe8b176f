/**
 * A model whose only outputs are the answers of probes on some of its tensors, wherever those are.
 *
 * What a probe finds in the body of If, Loop or Scan has to be carried out of it. A branch gives it as one more output, for which
 * the other branch gives the identity. A Loop carries it as one more state, joined in every iteration, which also works for
 * a body that never runs. So does a Scan, except for lists of elements: the states of a Scan cannot grow, so these leave as
 * one more scan output.
 *
 * A tensor is named as in the graph that defines it. Where several branches use one name, what is found is that
 * of all of them together.
 */
import {
  allNames,
  eliminateDeadCode,
  getGraph,
  getInts,
  type Graph,
  graphAttribute,
  GraphEditor,
  intsAttribute,
  type Model,
  type Node,
  opsetOf,
  tensorInfo,
  type ValueInfo,
  withAttributes,
  withModel,
  withNode,
} from '@slipway/onnx';
import { joined, type Probe, type Writer, writerTo } from './probe.ts';

export interface Exposed {
  readonly model: Model;
  /** Tensor → the output of each of its probes. Without the tensors that are nowhere in the model. */
  readonly outputs: ReadonlyMap<string, readonly string[]>;
  /** Tensors whose list of elements cannot leave a Scan, because its length differs between iterations. */
  readonly confined: readonly string[];
}

/** A probe on a tensor. One object per pair, so that it can be a key. */
interface Question {
  readonly tensor: string;
  readonly probe: Probe;
}

interface Instrumented {
  readonly graph: Graph;
  /** Where the answers are, among the values of `graph`. */
  readonly answers: ReadonlyMap<Question, string>;
}

export function expose(model: Model, probes: ReadonlyMap<string, readonly Probe[]>): Exposed {
  const taken = allNames(model.graph);
  let count = 0;
  const fresh = (): string => {
    for (;;) {
      const name = `probe_${count++}`;
      if (!taken.has(name)) return name;
    }
  };
  const questions = new Map(
    [...probes].map(([tensor, list]) => [tensor, list.map((probe): Question => ({ tensor, probe }))]),
  );
  const confined = new Set<string>();
  const { graph, answers } = instrument(model.graph, { questions, fresh, opset: opsetOf(model), confined }, new Set());
  const outputs = new Map<string, readonly string[]>();
  for (const [tensor, list] of questions) {
    const names = list.map((question) => answers.get(question));
    if (names.length > 0 && names.every((name) => name !== undefined)) outputs.set(tensor, names);
  }
  const infos = [...questions.values()].flat().flatMap((question) => {
    const name = answers.get(question);
    return name === undefined || !outputs.has(question.tensor) ? [] : [infoOf(name, question.probe)];
  });
  return {
    // What nobody asks about need not be computed; and the engine would begin with it, keeping all others until then.
    model: eliminateDeadCode(withModel(model, { graph: Object.freeze({ ...graph, outputs: Object.freeze(infos) }) })),
    outputs,
    confined: [...confined],
  };
}

interface Plan {
  readonly questions: ReadonlyMap<string, readonly Question[]>;
  readonly fresh: () => string;
  readonly opset: number;
  readonly confined: Set<string>;
}

function instrument(graph: Graph, plan: Plan, outer: ReadonlySet<string>): Instrumented {
  const editor = new GraphEditor(graph, outer);
  const writer = writerTo(editor, plan.opset, plan.fresh);
  const found = new Map<Question, string[]>();
  const note = (question: Question, value: string): void => {
    const values = found.get(question);
    if (values === undefined) found.set(question, [value]);
    else values.push(value);
  };
  const inner = allNames(graph, new Set(outer));
  for (const node of graph.nodes) {
    const carry = CARRIERS[node.op];
    if (node.domain !== '' || carry === undefined) continue;
    const bodies = carry.bodies.map((name) => {
      const body = getGraph(node, name);
      return { name, inside: body === undefined ? null : instrument(body, plan, inner) };
    });
    const questions = new Set(bodies.flatMap(({ inside }) => (inside === null ? [] : [...inside.answers.keys()])));
    if (questions.size === 0) continue;
    const carried = carry.out(node, bodies, [...questions], plan, writer);
    editor.replace(node, carried.node);
    for (const [question, value] of carried.answers) note(question, value);
  }
  const own = [...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)];
  // ONNX Runtime starts with whatever the last node of the file needs and keeps what the nodes it has not come to will read:
  // with the first tensors last, each is asked as soon as it is computed and then let go, instead of all at the end.
  for (const tensor of own.reverse()) {
    for (const question of plan.questions.get(tensor) ?? []) note(question, question.probe.measure(tensor, writer));
  }
  const answers = new Map([...found].map(([question, values]) => [question, joined(question.probe, values, writer)]));
  return { graph: editor.finish(), answers };
}

interface Body {
  readonly name: string;
  readonly inside: Instrumented | null;
}

interface Carried {
  readonly node: Node;
  readonly answers: ReadonlyMap<Question, string>;
}

interface Carrier {
  readonly bodies: readonly string[];
  out(node: Node, bodies: readonly Body[], questions: readonly Question[], plan: Plan, writer: Writer): Carried;
}

const CARRIERS: Readonly<Record<string, Carrier>> = {
  If: { bodies: ['then_branch', 'else_branch'], out: outOfIf },
  Loop: { bodies: ['body'], out: outOfLoop },
  Scan: { bodies: ['body'], out: outOfScan },
};

function infoOf(name: string, { shape }: Probe): ValueInfo {
  return tensorInfo(
    name,
    'float32',
    shape.map((dim) => (dim < 0 ? '?' : dim)),
  );
}

function outOfIf(node: Node, bodies: readonly Body[], questions: readonly Question[], plan: Plan): Carried {
  const branches = bodies.flatMap(({ name, inside }) => {
    if (inside === null) return [];
    const editor = new GraphEditor(inside.graph);
    const writer = writerTo(editor, plan.opset, plan.fresh);
    const outputs = questions.map((question) => {
      const value = inside.answers.get(question) ?? writer.constant(question.probe.identity);
      // Not the value itself: an output of a branch must be computed by a node of it.
      return infoOf(writer.node('Identity', [value]), question.probe);
    });
    editor.setOutputs([...editor.outputs, ...outputs]);
    return [graphAttribute(name, editor.finish())];
  });
  const answers = new Map(questions.map((question) => [question, plan.fresh()]));
  const outputs = [...padded(node, bodies, plan), ...answers.values()];
  return { node: withNode(withAttributes(node, branches), { outputs }), answers };
}

function outOfLoop(
  node: Node,
  bodies: readonly Body[],
  questions: readonly Question[],
  plan: Plan,
  writer: Writer,
): Carried {
  const states = Math.max(0, node.inputs.length - 2);
  const inputs = [...node.inputs, ...Array.from({ length: 2 - Math.min(2, node.inputs.length) }, () => '')];
  // The body gives the condition first.
  const { body, states: names } = withStates(bodies, questions, plan, { before: 1 + states });
  const initial = questions.map(({ probe }) => writer.constant(probe.identity));
  const outputs = padded(node, bodies, plan);
  return {
    node: withNode(withAttributes(node, body), {
      inputs: [...inputs, ...initial],
      outputs: [...outputs.slice(0, states), ...names, ...outputs.slice(states)],
    }),
    answers: new Map(questions.map((question, i) => [question, names[i] ?? ''])),
  };
}

function outOfScan(
  node: Node,
  bodies: readonly Body[],
  questions: readonly Question[],
  plan: Plan,
  writer: Writer,
): Carried {
  const inside = bodies[0]?.inside;
  const scanned = Number(node.attributes.get('num_scan_inputs')?.value ?? 0);
  const states = node.inputs.length - scanned;
  const isList = ({ probe }: Question): boolean => probe.join === 'Concat';
  const small = questions.filter((question) => !isList(question));
  const lists = questions.filter((question) => {
    if (!isList(question)) return false;
    const isOwn = inside?.graph.nodes.some(
      ({ op, outputs }) => op === 'Reshape' && outputs.includes(inside.answers.get(question) ?? ''),
    );
    if (isOwn !== true) plan.confined.add(question.tensor);
    return isOwn === true;
  });
  const { body, states: names } = withStates(bodies, small, plan, { before: states, inputsBefore: states }, lists);
  const outputs = padded(node, bodies, plan);
  const stacked = lists.map(() => plan.fresh());
  const added = lists.map(() => 0);
  const perOutput = ['scan_output_axes', 'scan_output_directions'].flatMap((name) => {
    const given = getInts(node, name);
    return given === undefined ? [] : [intsAttribute(name, [...given, ...added])];
  });
  const initial = small.map(({ probe }) => writer.constant(probe.identity));
  const answers = new Map(small.map((question, i) => [question, names[i] ?? '']));
  const carried = withNode(withAttributes(node, [...body, ...perOutput]), {
    inputs: [...node.inputs.slice(0, states), ...initial, ...node.inputs.slice(states)],
    outputs: [...outputs.slice(0, states), ...names, ...outputs.slice(states), ...stacked],
  });
  lists.forEach((question, i) => answers.set(question, question.probe.measure(stacked[i] ?? '', writer)));
  return { node: carried, answers };
}

/**
 * The body with one more state per question, joined in every run, and lists as outputs at the end.
 * @param at where states end among the outputs of the body, and among its inputs (default: at their end)
 */
function withStates(
  bodies: readonly Body[],
  questions: readonly Question[],
  plan: Plan,
  at: { readonly before: number; readonly inputsBefore?: number },
  lists: readonly Question[] = [],
): { readonly body: ReturnType<typeof graphAttribute>[]; readonly states: readonly string[] } {
  const states = questions.map(() => plan.fresh());
  const body = bodies.flatMap(({ name, inside }) => {
    if (inside === null) return [];
    const editor = new GraphEditor(inside.graph);
    const writer = writerTo(editor, plan.opset, plan.fresh);
    const inputs = questions.map(({ probe }) => infoOf(plan.fresh(), probe));
    const results = questions.map((question, i) => {
      const value = inside.answers.get(question) ?? '';
      return infoOf(joined(question.probe, [inputs[i]?.name ?? '', value], writer), question.probe);
    });
    const taken = at.inputsBefore ?? editor.inputs.length;
    editor.setInputs([...editor.inputs.slice(0, taken), ...inputs, ...editor.inputs.slice(taken)]);
    const listed = lists.map((question) => infoOf(inside.answers.get(question) ?? '', question.probe));
    editor.setOutputs([
      ...editor.outputs.slice(0, at.before),
      ...results,
      ...editor.outputs.slice(at.before),
      ...listed,
    ]);
    return [graphAttribute(name, editor.finish())];
  });
  return { body, states };
}

/** The outputs of a node, with a name for each that was left out at the end, because others follow now. */
function padded(node: Node, bodies: readonly Body[], plan: Plan): string[] {
  const given = bodies[0]?.inside?.graph.outputs.length ?? 0;
  const expected = node.op === 'Loop' ? given - 1 : given;
  return Array.from({ length: Math.max(expected, node.outputs.length) }, (_, i) => node.outputs[i] ?? '').map((name) =>
    name === '' ? plan.fresh() : name,
  );
}
