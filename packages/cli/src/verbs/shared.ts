/** Options that several verbs take, declared once. */
import { text, texts, type Option } from '../frame/declare.ts';

export const config: Option<string | undefined> = text(
  'path',
  'The config file. Default: slipway.config.ts here or in a directory above.',
  'file',
);
export const store: Option<string | undefined> = text(
  'directory',
  'The store. Default: the one of the config, or .slipway/store.',
  'directory',
);
export const model: Option<readonly string[]> = texts(
  'name=path',
  'Use this model instead of the store: an .onnx file, a model directory, or a directory of numbered versions. Repeatable.',
  'file',
);
