/** What ONNX Runtime makes of a model: which kernels really run, counted in the graph it writes after optimizing. */
import path from 'node:path';
import { type Model, opName, readModelFile, writeModelFile } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';

/** Operator → how many there are in the optimized graph. */
export async function kernelsOf(model: Model, context: PassContext): Promise<ReadonlyMap<string, number>> {
  const source = path.join(context.workDirectory, `kernels-${performance.now()}.onnx`);
  const target = `${source}.optimized`;
  await writeModelFile(source, model);
  // Not the memory layouts of this machine ("all"): they would hide the operators behind others.
  for await (const _ of context.runModel(source, [], { optimization: 'extended', saveOptimizedTo: target })) break;
  const counts = new Map<string, number>();
  for (const node of (await readModelFile(target)).graph.nodes) {
    const name = opName(node).replace('com.microsoft.', '');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
