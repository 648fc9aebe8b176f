/** The calls of clouds: Amazon SageMaker and MLflow (`/invocations`), Azure Machine Learning (`/score`). */
import type { Operation, Protocol } from './operation.ts';

const TAG = 'Clouds';

const call = (path: string, id: string, summary: string): Operation => ({
  path,
  method: 'post',
  id,
  tag: TAG,
  summary,
  description:
    'For the only model there is, or the one that the header `X-Amzn-SageMaker-Target-Model` names: `instances`, `inputs`, tables, or the request of another protocol. Other content types as on every route.',
  request: { schema: {} },
  answer: {},
  infers: true,
});

export const invocationsProtocol: Protocol = {
  tag: TAG,
  description: 'What Amazon SageMaker, MLflow and Azure Machine Learning call.',
  server: () => [
    {
      path: '/ping',
      method: 'get',
      id: 'clouds_ping',
      tag: TAG,
      summary: 'Are all models ready?',
      answer: { type: 'object', required: ['status'] },
      infers: false,
    },
    call('/invocations', 'clouds_invocations', 'Predict, as Amazon SageMaker and MLflow call it'),
    call('/score', 'clouds_score', 'Predict, as Azure Machine Learning calls it'),
  ],
  model: () => [],
};
