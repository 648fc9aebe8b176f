import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../testing/virtual-clock.ts';
import { Pace } from './pace.ts';

describe('refusals', () => {
  it('go at once while they are few', () => {
    const pace = new Pace(new VirtualClock());
    let refused = 0;
    for (let i = 0; i < 100; i++) pace.run(() => refused++);
    expect(refused).toBe(100);
  });

  it('are slowed down for clients that ask again at once', async () => {
    const clock = new VirtualClock();
    const pace = new Pace(clock);
    let refused = 0;
    const client = (): void =>
      pace.run(() => {
        refused++;
        clock.after(0, client);
      });
    for (let i = 0; i < 400; i++) client();
    await clock.advance(10_000);
    // A burst, and then the pace.
    expect(refused).toBeGreaterThan(4900);
    expect(refused).toBeLessThanOrEqual(5110);
    expect(pace.waiting).toBeLessThanOrEqual(400);
  });

  it('come in order, each once, none after more than a second', async () => {
    const clock = new VirtualClock();
    const pace = new Pace(clock);
    const order: number[] = [];
    let longest = 0;
    for (let i = 0; i < 3000; i++) {
      const since = clock.now();
      pace.run(() => {
        order.push(i);
        longest = Math.max(longest, clock.now() - since);
      });
      if (i % 3 === 0) await clock.advance(1);
    }
    await clock.advance(2000);
    expect(order).toEqual(Array.from({ length: 3000 }, (_, i) => i));
    expect(longest).toBeLessThanOrEqual(1010);
    expect(pace.waiting).toBe(0);
  });
});
