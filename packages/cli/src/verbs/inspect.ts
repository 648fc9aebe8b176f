import path from 'node:path';
import { argument, defineVerb, type Verb } from '../frame/declare.ts';

export const inspect: Verb = defineVerb({
  name: 'inspect',
  group: 'Prepare a model',
  summary: 'look at an ONNX file: inputs, operators, size, what each pass could do',
  description:
    'Reads an ONNX model without running it: signature, operators, parameters, opsets, external data, and for each pass whether it applies and what it would touch.',
  arguments: { model: argument('An .onnx file.', 'file') },
  options: {},
  examples: [
    { command: 'slipway inspect model.onnx', description: 'for people' },
    { command: "slipway inspect model.onnx --json | jq '.signature.inputs'", description: 'the inputs, for a script' },
  ],
  async run(context, given) {
    const { inspectModel, renderInspection } = await import('@slipway/prepare');
    const inspection = await inspectModel(path.resolve(context.cwd, given.model));
    context.result(inspection, (style) => renderInspection(inspection, style));
    return undefined;
  },
});
