/**
 * The answers to classify and regress: `{"results": [[["label", score], …], …]}` and `{"results": [value, …]}`. (The
 * documentation of TensorFlow Serving calls the key `result`; its code, and so its clients, `results`.)
 */
import type { Tensors } from '@slipway/core';
import type { JsonWriter } from '../../json/writer.ts';
import type { ServedVersion } from '../gateway.ts';
import { classificationOf, regressionOf } from './results.ts';

export function writeClassifyReply(writer: JsonWriter, version: ServedVersion, outputs: Tensors): Buffer {
  const { rows, classes, label, score } = classificationOf(version.signature, outputs, version.classes);
  writer.reset();
  writer.raw('{"results":[');
  for (let row = 0; row < rows; row++) {
    writer.raw(row === 0 ? '[' : ',[');
    for (let index = 0; index < classes; index++) {
      writer
        .raw(index === 0 ? '[' : ',[')
        .element(label(row, index), false)
        .raw(',')
        .float32(score(row, index))
        .raw(']');
    }
    writer.raw(']');
  }
  return writer.raw(']}').finish();
}

export function writeRegressReply(writer: JsonWriter, version: ServedVersion, outputs: Tensors): Buffer {
  const values = regressionOf(version.signature, outputs);
  writer.reset();
  writer.raw('{"results":').flat({ dtype: 'float32', shape: [values.length], data: values }, 0, values.length, false);
  return writer.raw('}').finish();
}
