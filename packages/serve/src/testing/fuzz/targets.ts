/**
 * What is fuzzed: every decoder of this room. A decoder may give a value or say what is wrong with the input (a SlipwayError of the
 * client's making); anything else it does is a finding. Where something else can read the same input, the two must agree.
 */
import {
  asSlipwayError,
  BYTES_PER_ELEMENT,
  type DType,
  DTYPES,
  fromBytes,
  parseNpy,
  type Signature,
  SlipwayError,
  type Tensor,
  tensorFromJson,
  writeNpy,
} from '@slipway/core';
import { isUtf8 } from 'node:buffer';
import { readConfig } from '../../protocols/tensorflow/reload-config.ts';
import { readBatchingParameters, readModelsConfig } from '../../catalog/readers/tensorflow.ts';
import { readTritonConfig, readTritonConfigJson } from '../../catalog/readers/triton.ts';
import { writeArrow } from '../../content/arrow-write.ts';
import { type BodyTask, readContent } from '../../content/body.ts';
import { NO_MEMORY } from '../../content/answer.ts';
import { FrameReader } from '../../grpc/frames.ts';
import { bodyFormat, chooseType } from '../../http/media-types.ts';
import { readPlainHead } from '../../http/plain-request.ts';
import { JsonParser } from '../../json/parse.ts';
import { plain, readTensor } from '../../json/tensor.ts';
import { readInferMessage, readInputs } from '../../protocols/inference/infer-message.ts';
import { jsonLength, readInferRequest, readRawRequest } from '../../protocols/inference/infer-request.ts';
import { pathSegments } from '../../protocols/path.ts';
import { readInput } from '../../protocols/tensorflow/example-proto.ts';
import { readExamplesRequest } from '../../protocols/tensorflow/example-json.ts';
import { readPredictRequest } from '../../protocols/tensorflow/predict-request.ts';
import { readTensorProto } from '../../protocols/tensorflow/tensor-proto.ts';

export interface Target {
  readonly name: string;
  /** The folder of its corpus. */
  readonly corpus: string;
  /** Throws for a finding; a SlipwayError of status 4xx is none. */
  run(bytes: Buffer): void | Promise<void>;
  /** When no more will come. */
  close?(): Promise<void>;
}

const MOST = 1024 * 1024;
const strict = new JsonParser({ nonFinite: false });
const lenient = new JsonParser({ nonFinite: true });
const floats: Signature = {
  inputs: [{ name: 'in', dtype: 'float32', shape: ['batch', 2] }],
  outputs: [{ name: 'out', dtype: 'float32', shape: ['batch', 2] }],
};
const texts: Signature = { inputs: [{ name: 'in', dtype: 'string', shape: ['batch'] }], outputs: floats.outputs };
const pair: Signature = {
  inputs: [
    { name: 'in', dtype: 'string', shape: ['batch', 2] },
    { name: 'in2', dtype: 'int64', shape: ['batch', 2] },
  ],
  outputs: floats.outputs,
};
const SIGNATURES = [floats, texts, pair];

const content = (format: BodyTask['format'], contentType: string): Target => ({
  name: format,
  corpus: format,
  async run(bytes) {
    for (const signature of SIGNATURES) {
      await allowed(async () => {
        const inputs = await readContent(bytes, { format, contentType, shape: null, signature });
        for (const tensor of Object.values(inputs)) check(tensor);
      });
    }
  },
});

export const TARGETS: readonly Target[] = [
  { name: 'json', corpus: 'json', run: (bytes) => jsonAgrees(bytes) },
  { name: 'json-tensor', corpus: 'json', run: (bytes) => tensorAgrees(bytes) },
  {
    name: 'predict',
    corpus: 'json',
    async run(bytes) {
      for (const signature of SIGNATURES) {
        await allowed(() => readPredictRequest(lenient.parse(bytes), bytes, signature));
        await allowed(() => readExamplesRequest(lenient.parse(bytes), bytes, signature, MOST));
      }
    },
  },
  {
    name: 'binary',
    corpus: 'binary',
    async run(bytes) {
      for (const signature of SIGNATURES) {
        await allowed(() => readRawRequest(bytes, signature));
        // The first line is the header.
        const end = bytes.indexOf('\n');
        const body = bytes.subarray(end + 1);
        await allowed(() => {
          const split = jsonLength(body, bytes.toString('latin1', 0, Math.max(0, end)));
          const json = body.subarray(0, split);
          readInferRequest(strict.parse(json), { json, raw: body.subarray(split), signature, memory: NO_MEMORY });
        });
      }
    },
  },
  {
    name: 'npy-round-trip',
    corpus: 'npy',
    run: (bytes) =>
      allowed(() => {
        const read = parseNpy(bytes, 'fuzz');
        check(read);
        same(parseNpy(writeNpy(read), 'again'), read, 'written and read again');
      }),
  },
  content('npy', 'application/x-npy'),
  content('npz', 'application/x-npz'),
  content('csv', 'text/csv'),
  content('raw', 'application/octet-stream'),
  content('multipart', 'multipart/form-data; boundary=b'),
  content('arrow', 'application/vnd.apache.arrow.stream'),
  { name: 'arrow-written', corpus: 'raw', run: (bytes) => arrowAgrees(bytes) },
  {
    name: 'infer-message',
    corpus: 'protobuf',
    run: (bytes) =>
      allowed(() => {
        for (const tensor of Object.values(readInputs(readInferMessage(bytes), NO_MEMORY))) check(tensor);
      }),
  },
  {
    name: 'tensor-proto',
    corpus: 'protobuf',
    run: (bytes) => allowed(() => check(readTensorProto(bytes, 'fuzz', MOST))),
  },
  {
    name: 'example-proto',
    corpus: 'protobuf',
    async run(bytes) {
      for (const signature of SIGNATURES) await allowed(() => readInput(bytes, signature, MOST));
    },
  },
  { name: 'reload-config', corpus: 'protobuf', run: (bytes) => allowed(() => readConfig(bytes)) },
  {
    name: 'grpc-frames',
    corpus: 'protobuf',
    run: (bytes) =>
      allowed(() => {
        const reader = new FrameReader(MOST);
        for (let at = 0; at < bytes.length; at += 7) reader.add(bytes.subarray(at, at + 7));
      }),
  },
  {
    name: 'pbtxt',
    corpus: 'pbtxt',
    async run(bytes) {
      await allowed(() => readTritonConfig(bytes, 'config.pbtxt'));
      await allowed(() => readModelsConfig(bytes, 'models.config'));
      await allowed(() => readBatchingParameters(bytes, 'batching.config'));
      await allowed(() => readTritonConfigJson(bytes.toString(), 'config'));
    },
  },
  {
    name: 'head',
    corpus: 'http',
    run: (bytes) =>
      allowed(() => {
        const head = readPlainHead(bytes);
        if (head !== null) pathSegments(head.path);
        const text = bytes.toString('latin1');
        chooseType(text, ['application/json', 'text/csv']);
        bodyFormat(text);
      }),
  },
];

/** What a client may be told is no finding. */
async function allowed(run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (thrown) {
    const error = thrown instanceof SlipwayError ? thrown : asSlipwayError(thrown);
    if (error.httpStatus >= 500 && error.httpStatus !== 501) throw thrown;
  }
}

/** A tensor has as many elements as its shape says. */
function check({ shape, data }: Tensor): void {
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (count !== data.length) throw new Error(`shape [${shape.join(', ')}] with ${data.length} elements`);
}

function same(actual: Tensor, expected: Tensor, how: string): void {
  const bytes = ({ data }: Tensor): string =>
    Array.isArray(data)
      ? JSON.stringify(data)
      : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');
  if (
    actual.dtype === expected.dtype &&
    actual.shape.join() === expected.shape.join() &&
    bytes(actual) === bytes(expected)
  ) {
    return;
  }
  throw new Error(`${how}: ${actual.dtype}[${actual.shape.join()}] is not ${expected.dtype}[${expected.shape.join()}]`);
}

/** As `JSON.parse`, but for what is refused on purpose: depth, keys given twice, numbers beyond float64. */
async function jsonAgrees(bytes: Buffer): Promise<void> {
  let ours: unknown;
  let problem: SlipwayError | null = null;
  try {
    ours = plain(strict.parse(bytes), bytes);
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError) || thrown.httpStatus >= 500) throw thrown;
    problem = thrown;
  }
  await allowed(() => lenient.parse(bytes));
  let theirs: unknown;
  let valid = isUtf8(bytes);
  try {
    theirs = JSON.parse(bytes.toString());
  } catch {
    valid = false;
  }
  if (problem === null && !valid) throw new Error('accepted what JSON.parse refuses');
  if (problem !== null && valid && !/nested deeper|given twice|out of range/.test(problem.message)) {
    throw new Error(`refused what JSON.parse accepts: ${problem.message}`);
  }
  if (problem !== null) return;
  // Integers beyond 2^53 are bigint to us.
  const wide = (_: string, member: unknown): unknown => (typeof member === 'bigint' ? Number(member) : member);
  const [left, right] = [JSON.stringify(ours, wide), JSON.stringify(theirs)];
  if (left !== right) throw new Error(`read ${left.slice(0, 200)}, JSON.parse ${right.slice(0, 200)}`);
}

/** The fast way to a tensor gives what the reference in core gives, or both refuse. */
async function tensorAgrees(bytes: Buffer): Promise<void> {
  for (const dtype of ['float32', 'float16', 'uint8', 'int32', 'int64', 'bool', 'string'] as const) {
    for (const shape of [null, ['n'], ['n', 2], [1, 'n']]) {
      const spec = { name: 'x', dtype, shape };
      const read = (): Tensor => readTensor(strict.parse(bytes), spec, bytes, 'x');
      // Only integers of 64 bits are read beyond 2^53.
      const text = dtype === 'int64' ? bytes : null;
      const reference = (): Tensor => tensorFromJson(plain(strict.parse(bytes), text), spec, 'x');
      const [ours, theirs] = [await outcome(read), await outcome(reference)];
      if (ours instanceof SlipwayError && theirs instanceof SlipwayError) continue;
      if (ours instanceof SlipwayError || theirs instanceof SlipwayError) {
        const who =
          ours instanceof SlipwayError
            ? `refused, the reference does not: ${ours.message}`
            : 'accepted, the reference refuses';
        throw new Error(`${dtype}[${shape === null ? '…' : shape.join()}]: ${who}`);
      }
      same(ours, theirs, `${dtype}[${shape === null ? '…' : shape.join()}]`);
    }
  }
}

/**
 * What the library writes, our reader reads as the same values. The other way round cannot be asked: the library believes the lengths in
 * its input, and the process ends with it.
 */
async function arrowAgrees(bytes: Buffer): Promise<void> {
  const [kind = 0, columns = 0] = bytes;
  const dtype = DTYPES[kind % DTYPES.length] as DType;
  const width = 1 + (columns % 5);
  const rows = Math.floor((bytes.length - 2) / 8 / width);
  if (rows < 1) return;
  const shape = columns % 2 === 0 ? [rows, width] : [rows, width, 1];
  const count = rows * width;
  const values = Buffer.from(bytes.subarray(2));
  const value =
    dtype === 'string'
      ? { dtype, shape, data: Array.from({ length: count }, (_, i) => values.toString('latin1', i, i + (i % 9))) }
      : dtype === 'bool'
        ? { dtype, shape, data: Uint8Array.from({ length: count }, (_, i) => (values[i] as number) & 1) }
        : fromBytes(dtype, shape, values.subarray(0, count * BYTES_PER_ELEMENT[dtype]));
  const spec = { name: 'in', dtype, shape: ['rows', ...shape.slice(1)] };
  const signature: Signature = { inputs: [spec], outputs: [spec] };
  const written = writeArrow(signature, { in: value }, columns % 3 === 0 ? 'file' : 'stream');
  const task: BodyTask = { format: 'arrow', contentType: '', shape: null, signature };
  same((await readContent(written, task)).in as Tensor, value, 'written by the library');
}

async function outcome<T>(run: () => T | Promise<T>): Promise<T | SlipwayError> {
  try {
    return await run();
  } catch (thrown) {
    if (thrown instanceof SlipwayError && thrown.httpStatus < 500) return thrown;
    throw thrown;
  }
}
