/**
 * Regions: every node on a path from one place of a graph to another. A place is a node, which is then part of the region,
 * or a tensor: the region begins with what reads it and ends with what computes it. A name that is both is the node.
 */
import { suggest } from '@slipway/core';
import { type Node, readNames } from '@slipway/onnx';
import { listNames } from '../describe.ts';
import type { IndexedGraph, NodePart, Parts } from './parts.ts';

export interface Region {
  readonly from?: string | readonly string[] | undefined;
  readonly to?: string | readonly string[] | undefined;
}

const listOf = (names: string | readonly string[] | undefined): readonly string[] =>
  typeof names === 'string' ? [names] : (names ?? []);

/** The nodes of the region, or why there are none. All places must be in one graph: the main one or one body. */
export function regionOf(region: Region, parts: Parts): readonly NodePart[] | string {
  const from = listOf(region.from);
  const to = listOf(region.to);
  const found = parts.graphs.filter((graph) => [...from, ...to].every((name) => isPlace(name, graph)));
  if (found.length === 0) return missing([...from, ...to], parts);
  const nodes = found.flatMap((graph) => between(graph, from, to).map((node) => ({ node, graph })));
  return nodes.length > 0 ? nodes : nowhere(from, to);
}

function between(graph: IndexedGraph, from: readonly string[], to: readonly string[]): readonly Node[] {
  const usage = graph.usage();
  const start = from.flatMap((name) => nodesCalled(name, graph) ?? usage.consumers(name));
  const end = to.flatMap((name): readonly (Node | undefined)[] => nodesCalled(name, graph) ?? [usage.producer(name)]);
  const after = reach(start, (node) => node.outputs.flatMap((name) => usage.consumers(name)));
  const before = reach(end, (node) => [...readNames(node)].map((name) => usage.producer(name)));
  return graph.graph.nodes.filter(
    (node) => (from.length === 0 || after.has(node)) && (to.length === 0 || before.has(node)),
  );
}

function reach(start: readonly (Node | undefined)[], next: (node: Node) => readonly (Node | undefined)[]): Set<Node> {
  const seen = new Set<Node>();
  const pending: Node[] = [];
  const add = (nodes: readonly (Node | undefined)[]): void => {
    for (const node of nodes) {
      if (node === undefined || seen.has(node)) continue;
      seen.add(node);
      pending.push(node);
    }
  };
  add(start);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) add(next(node));
  return seen;
}

function nodesCalled(name: string, { graph }: IndexedGraph): readonly Node[] | null {
  const named = graph.nodes.filter((node) => node.name === name);
  return named.length === 0 ? null : named;
}

function isPlace(name: string, graph: IndexedGraph): boolean {
  const usage = graph.usage();
  return usage.producer(name) !== undefined || usage.consumers(name).length > 0 || nodesCalled(name, graph) !== null;
}

function missing(names: readonly string[], parts: Parts): string {
  const unknown = names.find((name) => !parts.graphs.some((graph) => isPlace(name, graph)));
  if (unknown === undefined) {
    return `spans several graphs: ${listNames(names)} must all be in the main graph, or all in one body of If, Loop or Scan`;
  }
  const tensors = parts.nodes.flatMap(({ node }) => [...node.inputs, ...node.outputs]);
  return `names "${unknown}", which is neither a node nor a tensor${suggest(unknown, [...parts.names, ...tensors])}`;
}

function nowhere(from: readonly string[], to: readonly string[]): string {
  if (to.length === 0) return `is empty: nothing reads ${listNames(from)}`;
  if (from.length === 0) return `is empty: no node computes ${listNames(to)}`;
  return `is empty: no path leads from ${listNames(from)} to ${listNames(to)}`;
}
