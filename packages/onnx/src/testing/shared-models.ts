/** Real models that lie beside a checkout on some machines. Tests that need them skip, visibly, elsewhere. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = join(import.meta.dirname, '../../../../../shared/data');

export const SHARED_MODELS = [
  'mnist/mnist.onnx',
  'sentiment/sentiment.onnx',
  'onnx-light/light_densenet121.onnx',
  'onnx-light/light_resnet50.onnx',
  'onnx-light/light_shufflenet.onnx',
  'onnx-light/light_squeezenet.onnx',
] as const;

export type SharedModel = (typeof SHARED_MODELS)[number];

export const sharedModelsExist: boolean = existsSync(join(directory, SHARED_MODELS[0]));

export function sharedModel(name: SharedModel): Uint8Array {
  return readFileSync(join(directory, name));
}
