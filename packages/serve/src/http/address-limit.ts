/** How many connections each address has, so that one client cannot have them all. */
import type { Socket } from 'node:net';

export class AddressLimit {
  readonly #most: number;
  readonly #open = new Map<string, number>();

  /** @param most connections of one address; Infinity for no limit */
  constructor(most: number) {
    this.#most = most;
  }

  /** False when the address of `socket` has as many as it may; true counts it until it closes. */
  admit(socket: Socket): boolean {
    if (this.#most === Infinity) return true;
    const address = socket.remoteAddress ?? '';
    const open = this.#open.get(address) ?? 0;
    if (open >= this.#most) return false;
    this.#open.set(address, open + 1);
    socket.once('close', () => {
      const left = (this.#open.get(address) ?? 1) - 1;
      if (left === 0) this.#open.delete(address);
      else this.#open.set(address, left);
    });
    return true;
  }
}
