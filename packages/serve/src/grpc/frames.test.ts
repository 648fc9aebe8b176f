import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { framed } from '../testing/grpc-client.ts';
import { FrameReader } from './frames.ts';

describe('FrameReader', () => {
  it('finds the messages however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 }),
        (messages, cuts) => {
          const stream = Buffer.concat(messages.map((message, i) => framed(message, i % 2)));
          const reader = new FrameReader(40);
          const found = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length] as number;
            found.push(...reader.add(stream.subarray(at, at + size)));
            at += size;
          }
          expect(found.map(({ message }) => Uint8Array.from(message))).toEqual(messages);
          expect(found.map(({ compressed }) => compressed)).toEqual(messages.map((_, i) => i % 2 === 1));
          expect(reader.pending).toBe(0);
        },
      ),
    );
  });

  it('refuses a message by its length, before it is there', () => {
    const reader = new FrameReader(10);
    expect(() => reader.add(Buffer.from([0, 0, 0, 0, 11]))).toThrow('larger than 10 bytes');
  });

  it('refuses a flag that means nothing', () => {
    expect(() => new FrameReader(10).add(Buffer.from([2, 0, 0, 0, 0]))).toThrow('starts with the flag 2');
  });

  it('refuses a message that comes byte by byte without end', () => {
    const reader = new FrameReader(2 ** 20);
    reader.add(Buffer.from([0, 0, 15, 0, 0]));
    expect(() => {
      for (let i = 0; i < 70_000; i++) reader.add(Buffer.alloc(1));
    }).toThrow('too many tiny frames');
  });
});
