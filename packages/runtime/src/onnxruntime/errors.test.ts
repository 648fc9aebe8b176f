import { symlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  externalTensor,
  modelFile,
  node,
  relu,
  temporaryDirectory,
  temporaryFile,
  tinyModel,
  type TinyModel,
  value,
} from '../testing/tiny-onnx.ts';
import { openOnnxruntime } from './engine.ts';
import { tidy } from './errors.ts';

async function refusal(file: string): Promise<unknown> {
  const engine = await openOnnxruntime();
  return engine.load(file, { threads: 1, spinning: false, optimization: 'all' }).then(
    () => 'loaded',
    (error: unknown) => error,
  );
}

const external = (location: string, offset: number, length: number): string => {
  const directory = temporaryDirectory();
  temporaryFile(new Uint8Array(12), 'weights.bin', directory);
  const model: TinyModel = {
    ...relu,
    nodes: [node('Add', ['x', 'w'], ['y'])],
    initializers: [externalTensor('w', location, offset, length)],
  };
  return temporaryFile(tinyModel(model), 'model.onnx', directory);
};

describe('load errors of ONNX Runtime', () => {
  const whole = tinyModel(relu);
  // prettier-ignore
  const cases: readonly (readonly [string, () => string, string, string])[] = [
    ['a file that does not exist', () => '/nowhere/model.onnx', 'FILE_NOT_FOUND', '/nowhere/model.onnx: no such file'],
    ['a directory', () => temporaryDirectory(), 'MODEL_FORMAT', 'it is a directory'],
    ['text', () => temporaryFile('hello world, this is text'), 'MODEL_FORMAT', 'not a protobuf, or it is cut off'],
    ['a truncated model', () => temporaryFile(whole.subarray(0, 30)), 'MODEL_FORMAT', 'cut off'],
    ['an empty file', () => temporaryFile(''), 'MODEL_FORMAT', 'it holds no graph'],
    ['a newer IR', () => modelFile({ ...relu, ir: 99 }), 'MODEL_FORMAT', 'IR version 99 is newer than 13'],
    ['a newer opset', () => modelFile({ ...relu, opset: 99 }), 'UNSUPPORTED_OPSET', 'opset 99 of domain "ai.onnx" is not supported (newest known: 26)'],
    ['an unknown operator', () => modelFile({ ...relu, nodes: [node('Frob', ['x'], ['y'])] }), 'UNSUPPORTED_OPERATOR', 'operator Frob is not supported: opset 17 has no such operator'],
    ['an unknown domain', () => modelFile({ ...relu, nodes: [node('Frob', ['x'], ['y'], 'com.acme')] }), 'UNSUPPORTED_OPERATOR', 'operator com.acme.Frob is not supported'],
    ['a type without a kernel', () => modelFile({ nodes: [node('Cos', ['x'], ['y'])], inputs: [value('x', 'bfloat16', ['N'])], outputs: [value('y', 'bfloat16', ['N'])], opset: 22 }), 'UNSUPPORTED_OPERATOR', 'no CPU kernel'],
    ['an element type that cannot be fed', () => modelFile({ nodes: [node('Cast', ['x'], ['y'])], inputs: [value('x', 'float32', ['N'])], outputs: [value('y', 'bfloat16', ['N'])] }), 'MODEL_INVALID', ''],
    ['a dangling input', () => modelFile({ ...relu, nodes: [node('Relu', ['z'], ['y'])] }), 'MODEL_INVALID', "Node input 'z' is not a graph input"],
    ['too many inputs', () => modelFile({ ...relu, nodes: [node('Relu', ['x', 'x'], ['y'])] }), 'MODEL_INVALID', 'has input size 2 not in range [min=1, max=1]'],
    ['missing external data', () => external('absent.bin', 0, 12), 'EXTERNAL_DATA', 'tensor "w": external data is missing: absent.bin'],
    ['external data past the end', () => external('weights.bin', 8, 12), 'EXTERNAL_DATA', 'ends at byte 20, its file at 12'],
    ['external data of the wrong size', () => external('weights.bin', 0, 8), 'EXTERNAL_DATA', 'has 8 bytes, its shape needs 12'],
    ['external data above the folder', () => external('../weights.bin', 0, 12), 'EXTERNAL_DATA', 'points outside the folder of the model'],
    ['external data at an absolute path', () => external('/etc/passwd', 0, 12), 'EXTERNAL_DATA', 'points outside the folder of the model'],
  ];

  test.each(cases)('%s', async (_, make, code, message) => {
    const error = await refusal(make());
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) as string });
    expect(String(error)).not.toMatch(/onnxruntime_src|ONNXRuntimeError/);
  });

  test('loads what is right, with external data in the folder', async () => {
    expect(await refusal(external('weights.bin', 0, 12))).toBe('loaded');
  });

  test('refuses external data behind a link that leaves the folder', async () => {
    const outside = temporaryFile(new Uint8Array(12), 'weights.bin');
    const file = external('link.bin', 0, 12);
    symlinkSync(outside, path.join(path.dirname(file), 'link.bin'));
    expect(await refusal(file)).toMatchObject({ code: 'EXTERNAL_DATA' });
  });

  test('tidies texts it does not know', () => {
    expect(
      tidy(
        'Load model from /m.onnx failed:/onnxruntime_src/a/b.cc:12 void f(int&) [ONNXRuntimeError] : 1 : FAIL : no\n good',
      ),
    ).toBe('no good');
  });
});
