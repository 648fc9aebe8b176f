/** What KServe's v1 protocol has beside TensorFlow Serving's. */
import type { Protocol } from './operation.ts';
import { objectOf } from './schema.ts';

const TAG = 'KServe v1';

export const kserveProtocol: Protocol = {
  tag: TAG,
  description: 'Predictions are those of TensorFlow Serving; these are beside them.',
  server: () => [
    {
      path: '/',
      method: 'get',
      id: 'kserve_alive',
      tag: TAG,
      summary: 'Is the server alive?',
      answer: objectOf([['status', { type: 'string', const: 'alive' }]]),
      infers: false,
    },
    {
      path: '/v1/models',
      method: 'get',
      id: 'kserve_models',
      tag: TAG,
      summary: 'The names of all models',
      answer: objectOf([['models', { type: 'array', items: { type: 'string' } }]]),
      infers: false,
    },
  ],
  model: () => [],
};
