/** What TensorFlow Serving says of a model that is not there: its clients look for these texts. */
import type { SlipwayError } from '@slipway/core';
import type { Selector } from '../gateway.ts';

interface Words {
  readonly text: string;
  /** TensorFlow Serving calls that an invalid argument, not something that was not found. */
  readonly unknownLabel: boolean;
}

/** null for an error that has no words of TensorFlow Serving's own. */
export function servableWords(error: SlipwayError, model: string, selector: Selector): Words | null {
  if (error.code !== 'MODEL_NOT_FOUND' && error.code !== 'VERSION_NOT_FOUND') return null;
  if (selector.kind === 'label' && error.code === 'VERSION_NOT_FOUND') {
    return { text: `Unrecognized servable version label: ${selector.label}`, unknownLabel: true };
  }
  const which = selector.kind === 'version' ? `Specific(${model}, ${selector.version})` : `Latest(${model})`;
  return { text: `Servable not found for request: ${which}`, unknownLabel: false };
}

/** The same, when the question was for the status of the model. */
export function statusWords(error: SlipwayError, model: string, selector: Selector): Words | null {
  const words = servableWords(error, model, selector);
  if (words === null || words.unknownLabel) return words;
  const text =
    selector.kind === 'version' && error.code === 'VERSION_NOT_FOUND'
      ? `Could not find version ${selector.version} of model ${model}`
      : `Could not find any versions of model ${model}`;
  return { text, unknownLabel: false };
}
