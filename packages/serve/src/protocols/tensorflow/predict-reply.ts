/**
 * The answer to a predict request: `predictions` by row or `outputs` by name; with a single output its name is left
 * out. Strings of outputs whose name ends in `_bytes` are written as `{"b64": …}`.
 */
import { fail, type Signature, type Tensor, type Tensors } from '@slipway/core';
import type { JsonWriter } from '../../json/writer.ts';

export function writePredictReply(
  writer: JsonWriter,
  signature: Signature,
  outputs: Tensors,
  format: 'row' | 'columnar',
): Buffer {
  writer.reset();
  writer.raw(format === 'row' ? '{"predictions":' : '{"outputs":');
  const [first] = signature.outputs;
  if (first !== undefined && signature.outputs.length === 1) write(writer, first.name, outputs[first.name] as Tensor);
  else if (format === 'row') writeRows(writer, signature, outputs);
  else {
    writer.object(
      signature.outputs,
      ({ name }) => name,
      ({ name }) => write(writer, name, outputs[name] as Tensor),
    );
  }
  return writer.raw('}').finish();
}

function writeRows(writer: JsonWriter, signature: Signature, outputs: Tensors): void {
  const columns = signature.outputs.map(({ name }) => ({ name, tensor: outputs[name] as Tensor }));
  const count = columns[0]?.tensor.shape[0];
  if (count === undefined || columns.some(({ tensor }) => tensor.shape[0] !== count)) {
    throw fail('REQUEST_MALFORMED', {
      problem: 'the outputs do not have one row per instance; use the columnar format',
    });
  }
  for (let row = 0; row < count; row++) {
    writer.raw(row === 0 ? '[' : ',');
    writer.object(
      columns,
      ({ name }) => name,
      ({ name, tensor }) => {
        const stride = tensor.data.length / count;
        writer.nested(tensor, tensor.shape, 1, row * stride, name.endsWith('_bytes'));
      },
    );
  }
  writer.raw(count === 0 ? '[]' : ']');
}

function write(writer: JsonWriter, name: string, tensor: Tensor): void {
  writer.nested(tensor, tensor.shape, 0, 0, name.endsWith('_bytes'));
}
