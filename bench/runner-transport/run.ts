/** Which transport between gateway and runner? See README.md. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { hostFacts } from '@slipway/runtime';
import { encode, openShared, reader, writeAll } from './frames.ts';

const TRANSPORTS = ['ipc', 'socket', 'socket-sync', 'socket-sync-shared'] as const;
const SIZES = [
  { name: '64 B', elements: 16, calls: 10_000 },
  { name: '16 KB', elements: 4096, calls: 4000 },
  { name: '64 KB', elements: 16_384, calls: 2000 },
  { name: '602 KB', elements: 150_528, calls: 500 },
  { name: '10 MB', elements: 2_621_440, calls: 40 },
] as const;
const ROUNDS = 3;

type Call = (data: Float32Array<ArrayBuffer>) => Promise<void>;

function open(transport: (typeof TRANSPORTS)[number]): { call: Call; close: () => void } {
  const shared = openShared();
  const child = spawn(process.execPath, [fileURLToPath(new URL('./child.ts', import.meta.url)), transport], {
    stdio: ['ignore', 'inherit', 'inherit', transport === 'ipc' ? 'ipc' : 'pipe', shared],
    serialization: 'advanced',
  });
  let settle: () => void = () => undefined;
  if (transport === 'ipc') {
    child.on('message', () => settle());
    const call: Call = (data) =>
      new Promise((resolve) => {
        settle = resolve;
        child.send({ x: data });
      });
    return { call, close: () => child.disconnect() };
  }
  const socket = child.stdio[3] as unknown as Socket;
  socket.on(
    'data',
    reader(() => settle()),
  );
  const none = new Uint8Array(0);
  const call: Call = (data) =>
    new Promise((resolve) => {
      settle = resolve;
      const bytes = new Uint8Array(data.buffer);
      if (transport === 'socket-sync-shared') {
        writeAll(shared, bytes, 0);
        socket.write(encode(none, bytes.byteLength));
      } else {
        socket.write(encode(bytes, 0));
      }
    });
  return { call, close: () => socket.destroy() };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
const results: Record<string, Record<string, number>> = {};
for (const transport of TRANSPORTS) {
  const { call, close } = open(transport);
  const row: Record<string, number> = (results[transport] = {});
  for (const { name, elements, calls } of SIZES) {
    const data = new Float32Array(elements).fill(1);
    for (let index = 0; index < calls / 10; index++) await call(data);
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const times: number[] = [];
      for (let index = 0; index < calls; index++) {
        const started = performance.now();
        await call(data);
        times.push(performance.now() - started);
      }
      rounds.push(median(times));
    }
    row[name] = Math.round(Math.min(...rounds) * 1000);
  }
  close();
  console.log(transport.padEnd(20), ...Object.entries(row).map(([name, us]) => `${name}: ${us} µs`.padEnd(18)));
}
const record = { unit: 'µs, median round trip, best of 3 rounds', host: hostFacts(), results };
writeFileSync(new URL('./result.json', import.meta.url), `${JSON.stringify(record, null, 2)}\n`);
