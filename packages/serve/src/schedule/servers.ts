/**
 * The runners of a model, as the scheduler sees them: what each was given, when it will be done with it, and which one gets
 * the next call.
 *
 * A runner can hold a call while it executes another, so that the tensors of the next are in place when it ends. But what was
 * handed over cannot be cancelled, overtaken or joined any more. So the next call is handed over late: when the one before
 * is expected to end within `LEAD_MS`, which is time enough to bring it over. Calls shorter than that are always handed over at
 * once, and so are all calls as long as nothing is known of their cost.
 */
import type { Tensors } from '@slipway/core';
import type { Group } from './queue.ts';

/** What executes calls; a runner. */
export interface Executor {
  /** @param parts the rows of the call, one part after the other; names, types and trailing shapes are equal */
  runStacked(parts: readonly Tensors[]): Promise<Tensors>;
}

/** Timers are late by up to a millisecond; bringing 1 MB over takes a tenth of that. */
const LEAD_MS = 1.2;
/** A batch of fewer rows is worth waiting for more. */
const EARLY_ROWS = 4;

/** A call that a runner has. */
export interface Given {
  readonly server: Server;
  readonly rows: number;
  readonly group: Group;
  readonly at: number;
}

export class Server {
  readonly executor: Executor;
  /** Calls it can have at a time; it executes them one after the other. */
  readonly calls: number;
  readonly #given: Given[] = [];
  #lastEndAt = -Infinity;

  constructor(executor: Executor, calls: number) {
    this.executor = executor;
    this.calls = calls;
  }

  get idle(): boolean {
    return this.#given.length === 0;
  }

  get full(): boolean {
    return this.#given.length >= this.calls;
  }

  /** When it is expected to be done with all it has; `now` when that is over. */
  freeAt(now: number): number {
    return this.#freeAt(now, ({ group, rows }) => group.cost.of(rows));
  }

  /** The same by the shortest times seen. */
  freeAtLeast(now: number): number {
    return this.#freeAt(now, ({ group, rows }) => group.cost.atLeast(rows));
  }

  #freeAt(now: number, cost: (given: Given) => number): number {
    let at = this.#lastEndAt;
    for (const given of this.#given) at = Math.max(at, given.at) + cost(given);
    return Math.max(now, at);
  }

  /** When it began what it executes; Infinity when it is idle. */
  get busySince(): number {
    return Math.max(this.#lastEndAt, this.#given[0]?.at ?? Infinity);
  }

  /** Rows it has. */
  get rows(): number {
    let rows = 0;
    for (const given of this.#given) rows += given.rows;
    return rows;
  }

  give(group: Group, rows: number, now: number): Given {
    const given = { server: this, rows, group, at: now };
    this.#given.push(given);
    return given;
  }

  /** @returns milliseconds it took: a call given while another executed began when that one ended */
  ended(given: Given, now: number): number {
    const elapsed = now - Math.max(given.at, this.#lastEndAt);
    this.#given.splice(this.#given.indexOf(given), 1);
    this.#lastEndAt = now;
    return elapsed;
  }
}

export class Servers {
  readonly #servers = new Map<Executor, Server>();

  get count(): number {
    return this.#servers.size;
  }

  attach(executor: Executor, calls: number): void {
    this.#servers.set(executor, new Server(executor, calls));
  }

  detach(executor: Executor): void {
    this.#servers.delete(executor);
  }

  [Symbol.iterator](): Iterator<Server> {
    return this.#servers.values();
  }

  get someIdle(): boolean {
    for (const { idle } of this) if (idle) return true;
    return false;
  }

  /**
   * The one that gets a call now: an idle one, or the one that will be free first, if that is soon and `waiting` rows are not
   * few beside those it has: a few that follow a short call had better wait for others, and go when it ends.
   */
  ready(now: number, waiting: number): Server | null {
    const server = this.#first(now);
    if (server === null || server.idle) return server;
    const freeAt = server.freeAt(now);
    if (freeAt - now > LEAD_MS) return null;
    if (freeAt - server.busySince > LEAD_MS) return server;
    return waiting >= EARLY_ROWS && waiting * 4 >= server.rows ? server : null;
  }

  /** When to look for one again; Infinity when that shows by an answer or a further request. */
  readyAt(now: number): number {
    const server = this.#first(now);
    const at = server === null ? Infinity : server.freeAt(now) - LEAD_MS;
    return at > now ? at : Infinity;
  }

  #first(now: number): Server | null {
    let first: Server | null = null;
    let at = Infinity;
    for (const server of this) {
      if (server.idle) return server;
      if (server.full) continue;
      const freeAt = server.freeAt(now);
      if (freeAt < at) [first, at] = [server, freeAt];
    }
    return first;
  }
}
