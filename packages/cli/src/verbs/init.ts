import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fail, fromSystemError } from '@slipway/core';
import { argument, defineVerb, flag, text, type Verb } from '../frame/declare.ts';

export const init: Verb = defineVerb({
  name: 'init',
  group: 'Prepare a model',
  summary: 'write a config and a sample request for an ONNX file',
  description:
    'Looks at the model and writes slipway.config.ts, typed and commented, and sample.json, a request that fits it. Both work as they are; fill in labelled data to have accuracy measured. Existing files are kept unless --force is given.',
  arguments: { model: argument('An .onnx file.', 'file') },
  options: {
    name: text('name', 'What to call the model. Default: made of the name of the file.'),
    output: text('directory', 'Where to write. Default: here.', 'directory'),
    force: flag('Replace files that exist.'),
  },
  examples: [
    { command: 'slipway init model.onnx', description: 'then: slipway build' },
    {
      command: 'slipway init ../models/resnet50.onnx --name resnet',
      description: 'a model elsewhere, under another name',
    },
  ],
  async run(context, given) {
    const { proposeProject } = await import('@slipway/prepare');
    const directory = path.resolve(context.cwd, given.output ?? '.');
    const proposal = await proposeProject(path.resolve(context.cwd, given.model), { name: given.name, directory });
    const files = Object.entries(proposal.files).map(([name, content]) => ({
      file: path.join(directory, name),
      content,
    }));
    const taken = files.find(({ file }) => existsSync(file));
    if (taken !== undefined && !given.force) throw fail('FILE_EXISTS', { path: taken.file });
    for (const { file, content } of files) {
      try {
        await writeFile(file, content);
      } catch (error) {
        throw fromSystemError(error, file, 'writing the project');
      }
    }
    const written = files.map(({ file }) => file);
    context.result({ name: proposal.name, files: written }, (style) =>
      [
        ...written.map((file) => `wrote ${style.bold(path.relative(context.cwd, file) || file)}`),
        '',
        `${style.dim('next')}  slipway build   ${style.dim('then')}  slipway predict ${proposal.name}`,
      ].join('\n'),
    );
    return undefined;
  },
});
