import { argument, defineVerb, flag, type Verb } from '../frame/declare.ts';
import { storeDirectory } from '../project.ts';
import * as shared from './shared.ts';

const what = 'A release (NAME, NAME:VERSION, NAME@ALIAS or sha256:DIGEST), an .onnx file or a model directory.';

export const diff: Verb = defineVerb({
  name: 'diff',
  group: 'Prepare a model',
  summary: 'show what is different between two models',
  description:
    'Compares operators, nodes, constants, signature, size, what their builds measured and how they came to be. Nodes are matched by name. With --run both are also run side by side, on the golden samples of one of them where there are any; where their answers are far apart, the first node that diverges is named.',
  arguments: { before: argument(what, 'file'), after: argument(what, 'file') },
  options: {
    run: flag('Also run both: do they answer alike, and which is faster here?'),
    store: shared.store,
    config: shared.config,
  },
  examples: [
    { command: 'slipway diff digits:1 digits:2', description: 'two releases' },
    { command: 'slipway diff model.onnx digits --run', description: 'the file that was trained and what became of it' },
  ],
  async run(context, given) {
    const { diffModels, renderDifference } = await import('@slipway/prepare');
    const difference = await diffModels(given.before, given.after, {
      cwd: context.cwd,
      store: await storeDirectory(context, given),
      run: given.run,
      signal: context.signal,
    });
    context.result(difference, (style) => renderDifference(difference, style));
    return undefined;
  },
});
