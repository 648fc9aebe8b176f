/**
 * `optimize`: what ONNX Runtime would do at every load, done once: constants folded, batch normalization and bias fused,
 * operators that do nothing removed. Level `basic` gives standard ONNX, the same on every machine. The levels above give
 * artifacts: `extended` has fused operators that only this version of the engine need know, `all` also the memory
 * layout that suits the processor the pass ran on. What an artifact needs travels in the manifest as `requires`, and
 * whoever loads it elsewhere is told so instead of getting other numbers or a crash.
 *
 * The runtime names what it makes after what it replaces, so that the result is the same bytes every time, but for changes of
 * the memory layout: those it numbers, and puts in an order, by a hash table. So nodes are named and ordered here. The test
 * of this file checks that rather than believing it.
 */
import path from 'node:path';
import { fail, type HostRequirement, LIMITS, type PassSpec } from '@slipway/core';
import {
  type Graph,
  type Model,
  type Node,
  readModelFile,
  readNames,
  withModel,
  withNode,
  writeModelFile,
} from '@slipway/onnx';
import { hostFacts } from '@slipway/runtime';
import type { Pass, PassContext } from '../pass.ts';
import { plural } from './describe.ts';
import { constantBytes } from './prepared.ts';

type Spec = Extract<PassSpec, { pass: 'optimize' }>;
type Level = NonNullable<Spec['level']>;

const REORDER: ReadonlySet<string> = new Set(['ReorderInput', 'ReorderOutput']);

/** Room for structure, and for copies the optimizer makes, beside the weights in one file. */
const MOST_INLINE_BYTES = LIMITS.maxProtobufBytes - 256 * 1024 * 1024;

export const optimizePass: Pass<Spec> = {
  name: 'optimize',
  version: 3,

  assess(model) {
    const targets = model.graph.nodes.length;
    return targets === 0
      ? { applicable: false, targets: 0, summary: 'there are no nodes' }
      : {
          applicable: true,
          targets,
          summary: `can fold and fuse among ${plural(targets, 'node')}; the results stay the same`,
        };
  },

  async apply(model, spec, context) {
    const level = spec.level ?? 'basic';
    const optimized = await optimizedBy(model, level, context);
    const [was, is] = [model.graph.nodes.length, optimized.graph.nodes.length];
    const notes = [
      was === is
        ? `There was nothing to fold or fuse: ${plural(was, 'node')}.`
        : `${plural(was, 'node')} → ${plural(is, 'node')} with the ${level === 'all' ? 'extended and layout' : level} optimizations of ONNX Runtime; the results stay the same.`,
    ];
    const requires = requirementOf(level);
    if (requires === null) return { model: optimized, notes };
    const { cpuFlags, engine } = requires;
    notes.push(
      cpuFlags === null
        ? `Only for ${engine}: it has operators of that version.`
        : `Only for ${engine} and processors with exactly ${cpuFlags.length === 0 ? 'the same instructions' : cpuFlags.join(', ')}: it has their memory layout.`,
    );
    return { model: optimized, notes, requires };
  },
};

/** A node that the runtime put between two memory layouts is named after what it makes. */
function named(node: Node): Node {
  if (!REORDER.has(node.op)) return node;
  return withNode(node, { name: `${node.op}_${node.outputs[0] ?? ''}` });
}

/** The nodes by what the outputs need, the first output first: an order that follows from the graph alone. */
function ordered(nodes: readonly Node[], outputs: Graph['outputs']): readonly Node[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const done = new Set<Node>();
  const begun = new Set<Node>();
  const byFirstOutput = [...nodes].sort((a, b) => ((a.outputs[0] ?? '') < (b.outputs[0] ?? '') ? -1 : 1));
  // What no output needs comes last.
  const stack = [...outputs.flatMap(({ name }) => producers.get(name) ?? []), ...byFirstOutput].reverse();
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    if (done.has(node) || begun.has(node)) {
      stack.pop();
      done.add(node);
      continue;
    }
    begun.add(node);
    const needed = [...readNames(node)].flatMap((name) => producers.get(name) ?? []);
    stack.push(...needed.filter((each) => !begun.has(each)).reverse());
  }
  return [...done];
}

function requirementOf(level: Level): HostRequirement | null {
  if (level === 'basic') return null;
  const { engine, cpuFlags } = hostFacts();
  return { engine, cpuFlags: level === 'all' ? cpuFlags : null };
}

async function optimizedBy(model: Model, level: Level, context: PassContext): Promise<Model> {
  const source = path.join(context.workDirectory, 'source.onnx');
  const target = path.join(context.workDirectory, 'optimized.onnx');
  await writeModelFile(source, model);
  const large = constantBytes(model) > MOST_INLINE_BYTES;
  const session = {
    optimization: level,
    saveOptimizedTo: target,
    ...(large ? { saveWeightsTo: `${path.basename(target)}.data` } : {}),
  };
  for await (const _ of context.runModel(source, [], session)) {
    throw fail('INTERNAL', { problem: 'a run without batches gave outputs' });
  }
  const optimized = await readModelFile(target);
  // The runtime imports every operator set it knows, and does not carry over who made the model.
  const used = new Set(['', ...optimized.graph.nodes.map(({ domain }) => domain)]);
  const opsets = [...optimized.opsets].filter(([domain]) => used.has(domain) || model.opsets.has(domain)).sort();
  return withModel(optimized, {
    graph: { ...optimized.graph, nodes: ordered(optimized.graph.nodes.map(named), optimized.graph.outputs) },
    opsets: new Map(opsets),
    producer: model.producer,
    metadata: model.metadata,
  });
}
