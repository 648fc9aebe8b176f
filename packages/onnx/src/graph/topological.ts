/**
 * Topological order, stable: nodes keep their order unless a dependency forces a change, so that a pass which
 * touches one node leaves the rest of the file as it was.
 */
import { fail } from '@slipway/core';
import { describeNode, type Node } from '../ir/node.ts';
import { readNames } from './scope.ts';

/**
 * @throws MODEL_INVALID naming nodes on a cycle
 */
export function topologicalOrder(nodes: readonly Node[]): readonly Node[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.outputs) if (name !== '') producer.set(name, index);
  });
  // How many distinct producers each node still waits for, and who waits for each node.
  const waiting = new Array<number>(nodes.length).fill(0);
  const waiters: number[][] = nodes.map(() => []);
  let unordered = 0;
  nodes.forEach((node, index) => {
    const sources = new Set<number>();
    for (const name of readNames(node)) {
      const source = producer.get(name);
      if (source !== undefined) sources.add(source);
    }
    waiting[index] = sources.size;
    for (const source of sources) {
      waiters[source]?.push(index);
      if (source >= index) unordered++;
    }
  });
  if (unordered === 0) return nodes;

  const ready = new MinHeap();
  waiting.forEach((count, index) => {
    if (count === 0) ready.push(index);
  });
  const order: Node[] = [];
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    const node = nodes[index];
    if (node !== undefined) order.push(node);
    for (const waiter of waiters[index] ?? []) {
      const left = (waiting[waiter] ?? 0) - 1;
      waiting[waiter] = left;
      if (left === 0) ready.push(waiter);
    }
  }
  if (order.length < nodes.length) {
    const stuck = nodes.filter((_, index) => (waiting[index] ?? 0) > 0);
    const shown = stuck.slice(0, 3).map(describeNode).join(', ');
    throw fail('MODEL_INVALID', {
      path: 'model',
      where: 'graph',
      problem: `the nodes form a cycle: ${stuck.length} nodes wait for each other, among them ${shown}`,
    });
  }
  return order;
}

/** A binary heap of small integers: the smallest original position that is ready comes next. */
class MinHeap {
  readonly #items: number[] = [];

  push(value: number): void {
    const items = this.#items;
    let at = items.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] ?? 0;
      if (above <= value) break;
      items[at] = above;
      at = parent;
    }
    items[at] = value;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] ?? 0) < (items[child] ?? 0)) child++;
      const below = items[child] ?? 0;
      if (below >= last) break;
      items[at] = below;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
