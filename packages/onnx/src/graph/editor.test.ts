import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Builder, buildGraph, buildModel } from '../build/builder.ts';
import { graphAttribute } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import { createInitializer } from '../ir/initializer.ts';
import { createNode } from '../ir/node.ts';
import { tensorInfo } from '../ir/value-info.ts';
import { anyGraph } from '../testing/arbitrary.ts';
import { GraphEditor } from './editor.ts';
import { editGraphs } from './map-graphs.ts';
import { capturedNames, readNames } from './scope.ts';
import { topologicalOrder } from './topological.ts';
import { usageOf } from './usage.ts';

/** x → Relu → a → Neg → b → Identity → y, with y the output. */
function chain(): Graph {
  return buildGraph((b) => {
    b.input('x', 'float32', [1]);
    b.op('Relu', ['x'], { outputs: ['a'] });
    b.op('Neg', ['a'], { outputs: ['b'] });
    b.op('Identity', ['b'], { outputs: ['y'] });
    b.output('y', 'float32', [1]);
  });
}

const ops = (graph: Graph): string[] =>
  graph.nodes.map((node) => `${node.op}(${node.inputs.join()})=${node.outputs.join()}`);

const branch = (body: (b: Builder) => void): Graph => buildGraph(body, 'branch');

/** `If` whose branches read `a` of the graph around them; the else branch has an `a` of its own deeper down. */
function withSubgraphs(): Graph {
  const shadow = branch((b) => {
    b.input('a', 'float32', [1]);
    b.op('Relu', ['a'], { outputs: ['s'] });
    b.output('s', 'float32', [1]);
  });
  const then = branch((b) => {
    b.op('Neg', ['a'], { outputs: ['t'] });
    b.output('t', 'float32', [1]);
  });
  const other = branch((b) => {
    b.op('Loop', ['', 'c', 'k'], { outputs: ['e'], attributes: [graphAttribute('body', shadow)] });
    b.output('e', 'float32', [1]);
  });
  return buildGraph((b) => {
    b.input('c', 'bool', []);
    b.input('x', 'float32', [1]);
    b.op('Abs', ['x'], { outputs: ['a'] });
    b.op('Sqrt', ['x'], { outputs: ['k'] });
    b.op('If', ['c'], {
      outputs: ['y'],
      attributes: [graphAttribute('then_branch', then), graphAttribute('else_branch', other)],
    });
    b.output('y', 'float32', [1]);
  });
}

describe('GraphEditor', () => {
  it('inserts, replaces and removes, and accepts earlier versions of a node', () => {
    const graph = chain();
    const [relu, neg, identity] = graph.nodes;
    const editor = new GraphEditor(graph);
    editor.update(relu!, { name: 'first' });
    editor.update(relu!, { inputs: ['x'], op: 'Abs' });
    expect(editor.current(relu!)).toMatchObject({ name: 'first', op: 'Abs' });
    editor.insertAfter(relu!, createNode('Ceil', ['a'], ['c']));
    editor.replace(neg!, createNode('Exp', ['c'], ['d']), createNode('Log', ['d'], ['b']));
    editor.insertBefore(identity!, createNode('Floor', ['b'], ['f']));
    editor.update(identity!, { inputs: ['f'] });
    expect(editor.current(neg!)).toBeUndefined();
    expect(editor.producer('b')?.op).toBe('Log');
    expect(editor.consumers('b').map((node) => node.op)).toEqual(['Floor']);
    expect(ops(editor.finish())).toEqual([
      'Abs(x)=a',
      'Ceil(a)=c',
      'Exp(c)=d',
      'Log(d)=b',
      'Floor(b)=f',
      'Identity(f)=y',
    ]);
    expect(ops(graph)).toEqual(['Relu(x)=a', 'Neg(a)=b', 'Identity(b)=y']);
  });

  it('sorts what was appended out of order, and keeps the rest in place', () => {
    const editor = new GraphEditor(chain());
    const [, neg] = editor.nodes;
    editor.append(createNode('Sign', ['x'], ['s']));
    editor.update(neg!, { inputs: ['s'] });
    expect(ops(editor.finish())).toEqual(['Relu(x)=a', 'Sign(x)=s', 'Neg(s)=b', 'Identity(b)=y']);
  });

  it('refuses cycles and values computed twice', () => {
    const cyclic = new GraphEditor(chain());
    cyclic.update(cyclic.nodes[0]!, { inputs: ['b'] });
    expect(() => cyclic.finish()).toThrow(/cycle.*Relu node "Relu_0"/);
    const twice = new GraphEditor(chain());
    twice.append(createNode('Sin', ['x'], ['a']));
    expect(() => twice.finish()).toThrow(/output "a" already belongs to Relu node "Relu_0"/);
    const constant = new GraphEditor(chain());
    constant.setInitializer(createInitializer('b', 'float32', [1], new Uint8Array(4)));
    expect(() => constant.finish()).toThrow(/"b" already belongs to an initializer/);
  });

  it('bypasses a node and keeps the name of a graph output', () => {
    const editor = new GraphEditor(chain());
    const [relu, neg, identity] = editor.nodes;
    expect(editor.bypass(neg!)).toBe(true);
    expect(editor.bypass(identity!)).toBe(true);
    expect(ops(editor.finish())).toEqual(['Relu(x)=y']);
    expect(editor.bypass(relu!)).toBe(false); // would connect the input to the output
  });

  it('looks into subgraphs when it renames or redirects', () => {
    const graph = withSubgraphs();
    expect(graph.nodes.map((node) => [...readNames(node)])).toEqual([['x'], ['x'], ['c', 'a', 'k']]);
    const editor = new GraphEditor(graph);
    expect(editor.consumers('a').map((node) => node.op)).toEqual(['If']);
    editor.renameTensor('a', 'renamed');
    editor.replaceUses('k', 'x');
    const node = editor.finish().nodes[2];
    expect([...readNames(node!)].sort()).toEqual(['c', 'renamed', 'x']);
    const inner = node!.attributes.get('else_branch');
    const loop = inner?.kind === 'graph' ? inner.value.nodes[0] : undefined;
    const body = loop?.attributes.get('body');
    // The innermost `a` is another value.
    expect(body?.kind === 'graph' && body.value.nodes[0]?.inputs).toEqual(['a']);
    expect(body?.kind === 'graph' && capturedNames(body.value).size).toBe(0);
  });

  it('gives names that nobody has, here, in subgraphs or around', () => {
    const editor = new GraphEditor(withSubgraphs(), ['outer']);
    expect([
      editor.uniqueName('s'),
      editor.uniqueName('s'),
      editor.uniqueName('outer'),
      editor.uniqueName('new'),
    ]).toEqual(['s_1', 's_2', 'outer_1', 'new']);
    expect(editor.uniqueNodeName('If_2')).toBe('If_2_1');
  });

  it('drops type notes of values that are gone, and edits every graph of a model', () => {
    const model = buildModel((b) => {
      b.input('x', 'float32', [1]);
      b.op('Relu', ['x'], { outputs: ['a'] });
      b.op('Relu', ['a'], { outputs: ['y'] });
      b.output('y', 'float32', [1]);
    });
    const noted = Object.freeze({ ...model.graph, valueInfo: new Map([['a', tensorInfo('a', 'float32', [1])]]) });
    const edited = editGraphs({ ...model, graph: noted }, (editor) => {
      editor.bypass(editor.nodes[0]!);
    });
    expect(edited.graph.valueInfo.size).toBe(0);
    const seen: string[] = [];
    editGraphs({ ...model, graph: withSubgraphs() }, (_, { where }) => seen.push(where));
    expect(seen).toEqual([
      'graph / If node "If_2" / then_branch',
      'graph / If node "If_2" / else_branch / Loop node "Loop_0" / body',
      'graph / If node "If_2" / else_branch',
      'graph',
    ]);
  });

  it('leaves any graph as it was when nothing is edited, and keeps its index right when something is', () => {
    fc.assert(
      fc.property(anyGraph(), fc.infiniteStream(fc.nat()), (graph, random) => {
        expect(new GraphEditor(graph).finish()).toEqual(graph);
        const editor = new GraphEditor(graph);
        for (let step = 0; step < 8; step++) {
          const { nodes } = editor;
          const node = nodes[(random.next().value as number) % Math.max(nodes.length, 1)];
          if (node === undefined) break;
          const action = (random.next().value as number) % 3;
          if (action === 0) {
            editor.insertAfter(node, createNode('New', [node.outputs[0] ?? ''], [editor.uniqueName('v')]));
          } else if (action === 1) editor.replaceUses(node.outputs[0] ?? '', editor.uniqueName('u'));
          else editor.update(node, { name: editor.uniqueNodeName('n') });
        }
        const done = editor.finish();
        const usage = usageOf(done);
        for (const node of done.nodes) {
          for (const name of node.outputs) expect(usage.producer(name)).toBe(editor.producer(name));
          for (const name of readNames(node)) {
            expect(new Set(editor.consumers(name))).toEqual(new Set(usage.consumers(name)));
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('topologicalOrder', () => {
  it('puts every node after what it reads, whatever the order given', () => {
    fc.assert(
      fc.property(anyGraph(0), fc.array(fc.nat(), { maxLength: 20 }), (graph, swaps) => {
        const shuffled = [...graph.nodes];
        for (const swap of swaps) {
          const [a, b] = [swap % Math.max(shuffled.length, 1), (swap * 7 + 3) % Math.max(shuffled.length, 1)];
          if (shuffled.length > 1) [shuffled[a], shuffled[b]] = [shuffled[b]!, shuffled[a]!];
        }
        const order = topologicalOrder(shuffled);
        expect(new Set(order)).toEqual(new Set(graph.nodes));
        const made = new Set<string>();
        const all = new Set(graph.nodes.flatMap((node) => node.outputs));
        for (const node of order) {
          for (const name of node.inputs) expect(!all.has(name) || made.has(name)).toBe(true);
          for (const name of node.outputs) made.add(name);
        }
      }),
    );
  });

  it('sorts a long chain given backwards without recursion', () => {
    const nodes = Array.from({ length: 100_000 }, (_, index) =>
      createNode('Relu', [`v${index}`], [`v${index + 1}`]),
    ).reverse();
    expect(topologicalOrder(nodes)[0]?.inputs).toEqual(['v0']);
  });
});
