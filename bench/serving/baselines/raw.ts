/**
 * Raw `session.run`, sequential, in a process of its own: what the engine gives when nothing is around it.
 * Usage: raw.ts MODEL.onnx THREADS SHAPE (comma separated, with the batch axis) SECONDS → prints one JSON line
 */
import { createSession, ort } from './ort.ts';

const [file = '', threads = '1', dims = '', seconds = '5'] = process.argv.slice(2);
const shape = dims.split(',').map(Number);
const session = await createSession(file, Number(threads));
const [input = ''] = session.inputNames;
const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % 256) / 256);
const feeds = { [input]: new ort.Tensor('float32', data, shape) };

const timed = async (forMs: number): Promise<number[]> => {
  const times: number[] = [];
  const end = performance.now() + forMs;
  for (;;) {
    const start = performance.now();
    if (start >= end) return times;
    await session.run(feeds);
    times.push(performance.now() - start);
  }
};
await timed(1000);
const times = await timed(Number(seconds) * 1000);
times.sort((a, b) => a - b);
const total = times.reduce((a, b) => a + b, 0);
console.log(
  JSON.stringify({
    rowsPerSecond: (times.length * (shape[0] ?? 1) * 1000) / total,
    p50Ms: times[Math.floor(times.length / 2)],
    p99Ms: times[Math.floor(times.length * 0.99)],
  }),
);
