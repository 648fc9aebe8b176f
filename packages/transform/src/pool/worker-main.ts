/** A thread that does transforms: one task after the other, so that what it holds is what one request needs. See pool.ts. */
import { asSlipwayError, fail } from '@slipway/core';
import { parentPort } from 'node:worker_threads';
import { compileTransforms, type TransformProgram } from '../program.ts';
import { buffersOf, type Order, type Report, type Result, type Task } from './messages.ts';

const programs = new Map<number, Promise<TransformProgram>>();

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case 'open': {
      const opening = compileTransforms(order.declared, order.directory);
      programs.set(order.program, opening);
      const error = await opening.then(
        () => null,
        (thrown: unknown) => asSlipwayError(thrown).toWire(),
      );
      send({ kind: 'opened', program: order.program, error });
      return;
    }
    case 'close':
      programs.delete(order.program);
      return;
    case 'run': {
      const results: Result[] = [];
      for (const task of order.tasks) results.push(await run(task));
      send({ kind: 'done', results });
    }
  }
}

async function run({ id, program: number, inputs, outputs }: Task): Promise<Result> {
  try {
    const program = await programs.get(number);
    if (program === undefined) throw fail('INTERNAL', { problem: 'the transforms of this version are closed' });
    const tensors = outputs === null ? await program.before(inputs) : program.after(outputs, inputs);
    return { id, tensors, error: null };
  } catch (thrown) {
    return { id, tensors: null, error: asSlipwayError(thrown).toWire() };
  }
}

function send(report: Report): void {
  const given =
    report.kind === 'done' ? report.results.flatMap(({ tensors }) => (tensors === null ? [] : buffersOf(tensors))) : [];
  parentPort?.postMessage(report, given);
}

let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (order: Order) => {
  last = last.then(() => obey(order));
});
