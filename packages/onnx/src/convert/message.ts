/**
 * Helpers for carrying untouched parts of a message through the IR.
 *
 * A part that came from a file is written as a copy of its original message in which only what changed is set. So field
 * presence, unknown fields and everything the IR does not model come back as they were.
 */
import { create, type DescMessage, type Message, type MessageShape } from '@bufbuild/protobuf';

/** A shallow copy of `origin`, sharing its values; or a new message. */
export function startFrom<D extends DescMessage>(schema: D, origin: MessageShape<D> | null): MessageShape<D> {
  if (origin === null) return create(schema);
  const copy = Object.create(Object.getPrototypeOf(origin) as object) as MessageShape<D>;
  return Object.assign(copy, origin);
}

/** Set a scalar field unless it already reads so: an absent field that means its default stays absent. */
export function put<M extends Message, K extends keyof M>(message: M, field: K, value: M[K]): void {
  if (message[field] !== value) message[field] = value;
}

export function sameStrings(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
