/** Events as they come over HTTP, to a real server; the answers are events of their own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oneWeightModel } from '../../testing/onnx.ts';
import { type Serving, serving } from '../../testing/serving.ts';

const PREDICT = '/v1/models/one:predict';
const ATTRIBUTES = {
  specversion: '1.0',
  id: '36077800',
  source: 'io.kserve.example',
  type: 'io.kserve.inference.request',
};
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const HEADERS = Object.fromEntries(Object.entries(ATTRIBUTES).map(([name, value]) => [`ce-${name}`, value]));

let served: Serving;
beforeAll(async () => {
  served = await serving({ one: oneWeightModel(2) });
  await served.server.ready;
});
afterAll(() => served.close());

describe('a CloudEvent', () => {
  it('in binary form gets one', async () => {
    const { status, text, headers } = await served.post(PREDICT, { instances: [[21]] }, HEADERS);
    expect({ status, text }).toEqual({ status: 200, text: '{"predictions":[[42.0]]}' });
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('ce-specversion')).toBe('1.0');
    expect(headers.get('ce-source')).toBe('io.kserve.inference.one');
    expect(headers.get('ce-type')).toBe('io.kserve.inference.response');
    expect(headers.get('ce-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(Date.parse(headers.get('ce-time') ?? '')).not.toBeNaN();
  });

  it.each([
    ['data', { data: { instances: [[21]] } }],
    ['data_base64', { data_base64: Buffer.from('{"instances":[[21]]}').toString('base64') }],
  ])('in structured form with %s gets one', async (_, data) => {
    const event = { ...ATTRIBUTES, time: '2026-01-01T00:00:00Z', ...data };
    const { status, text, headers } = await served.post(PREDICT, event, STRUCTURED);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/cloudevents+json');
    expect(JSON.parse(text)).toMatchObject({
      specversion: '1.0',
      source: 'io.kserve.inference.one',
      type: 'io.kserve.inference.response',
      datacontenttype: 'application/json',
      data: { predictions: [[42]] },
    });
  });

  it.each([
    ['without an id', { instances: [[1]] }, { ...HEADERS, 'ce-id': '' }, 'CloudEvent: the attribute "id" is missing'],
    ['of another version', { instances: [[1]] }, { ...HEADERS, 'ce-specversion': '7' }, 'specversion is not 1.0'],
    [
      'without a version',
      { instances: [[1]] },
      { 'ce-id': 'x', 'content-type': 'application/json; x=y' },
      'ce-specversion',
    ],
    ['without data', ATTRIBUTES, STRUCTURED, 'CloudEvent: it has no data'],
    ['that is no object', [1], STRUCTURED, 'a structured event is a JSON object'],
    ['with data that is no request', { ...ATTRIBUTES, data: 1 }, STRUCTURED, '"instances" or "inputs"'],
    ['with data_base64 that is no JSON', { ...ATTRIBUTES, data_base64: 'eA==' }, STRUCTURED, 'invalid JSON'],
  ])('is refused %s', async (_, body, headers, problem) => {
    const answer = await served.post(PREDICT, body, headers);
    expect(answer.status).toBe(400);
    expect((JSON.parse(answer.text) as { error: string }).error).toContain(problem);
    expect(answer.headers.get('ce-id')).toBeNull();
  });
});
