/**
 * Every case of the files in `golden/`: a request, the status, and the answer (for errors the code and the text). After each,
 * a good request must work. To add a case, add it to a file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';

const TEXT: unknown = expect.any(String);
const DIRECTORY = path.join(import.meta.dirname, 'golden');

interface Case {
  readonly title: string;
  readonly method: string;
  readonly at: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly answer: string;
}

/** A line between the request line and the body. */
const HEADER = /^([A-Za-z][A-Za-z-]*): (.*)$/;

function readCases(file: string): Case[] {
  const [, ...sections] = readFileSync(path.join(DIRECTORY, file), 'utf8').split(/^=== /m);
  return sections.map((section) => {
    const [request = '', reply = ''] = section.trimEnd().split(/^--- /m);
    const [title = '', line = '', ...lines] = request.trimEnd().split('\n');
    const body = lines.filter((text) => !HEADER.test(text));
    const headers = Object.fromEntries(
      lines.map((text) => HEADER.exec(text)).flatMap((match) => (match === null ? [] : [[match[1], match[2]]])),
    ) as Record<string, string>;
    const [method = '', at = ''] = line.split(' ');
    const [head = '', ...answer] = reply.split('\n');
    const [status, code] = head.split(' ');
    return {
      title,
      method,
      at,
      headers,
      body: body.join('\n'),
      status: Number(status),
      code,
      answer: answer.join('\n'),
    };
  });
}

/** A model that names its classes. */
const ANIMALS = {
  content: identityModel('float32', ['batch', 2]),
  manifest: {
    labels: ['cat', 'dog'],
    signature: {
      inputs: [{ name: 'in', dtype: 'float32', shape: ['batch', 2] }],
      outputs: [{ name: 'out', dtype: 'float32', shape: ['batch', 2] }],
    },
  },
} satisfies Parameters<typeof serving>[0][string];

/** What every file may ask for, and what only one does. */
const MODELS = {
  one: oneWeightModel(2),
  pair: identityModel('string', ['batch', 2], 2),
  flags: identityModel('bool', ['batch', 1]),
  fixed: identityModel('float32', [1, 2]),
  small: identityModel('int8', ['batch', 1]),
  half: identityModel('float16', ['batch', 2]),
};
const MORE: Readonly<Record<string, Parameters<typeof serving>[0]>> = {
  'tensorflow.txt': {
    scores: identityModel('float32', ['batch', 3]),
    words: identityModel('string', ['batch', 2]),
    animals: ANIMALS,
  },
  'inference.txt': { animals: ANIMALS },
};

describe.each(readdirSync(DIRECTORY))('golden/%s', (file) => {
  let served: Serving;
  beforeAll(async () => {
    served = await serving({ ...MODELS, ...MORE[file] });
    await served.server.ready;
  });
  afterAll(() => served.close());

  it.each(readCases(file).map((of) => [of.title, of] as const))(
    '%s',
    async (_, { method, at, headers, body, status, code, answer }) => {
      const response = await fetch(served.url + at, {
        method,
        ...(method === 'GET' ? {} : { body }),
        headers: { 'x-request-id': 'golden', ...headers },
      });
      const text = await response.text();
      expect({ status: response.status, text }).toMatchObject({ status });
      expect(response.headers.get('x-request-id')).toBe('golden');
      if (code === undefined) expect(text).toBe(answer);
      else {
        expect(JSON.parse(text)).toEqual({ error: answer, code, request_id: 'golden', hint: TEXT });
        expect(response.headers.get('content-type')).toBe('application/json');
      }
      const good = await served.post('/v1/models/one:predict', { instances: [[21]] });
      expect(good).toMatchObject({ status: 200, text: '{"predictions":[[42.0]]}' });
    },
  );
});
