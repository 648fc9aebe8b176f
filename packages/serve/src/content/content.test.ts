/**
 * Every form of body and answer against a real server, on the routes of three protocols. The files are NumPy's and pyarrow's own.
 */
import { float16ToNumber, parseNpy, readNpz, type Tensor, tensor, writeNpy, writeNpz } from '@slipway/core';
import { tableFromIPC } from '@uwdata/flechette';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';

const CORPUS = path.join(import.meta.dirname, '../../../../tests/fuzz/corpus');
const file = (name: string): Buffer => readFileSync(path.join(CORPUS, name));

let served: Serving;
beforeAll(async () => {
  served = await serving({
    two: identityModel('float32', ['batch', 2]),
    one: oneWeightModel(2),
    cube: identityModel('float32', ['batch', 2, 3]),
    pair: identityModel('string', ['batch', 2], 2),
    text: identityModel('string', ['batch']),
    half: identityModel('float16', ['batch', 2]),
    flags: identityModel('bool', ['batch']),
    long: identityModel('int64', ['batch', 2]),
  });
  await served.server.ready;
});
afterAll(() => served.close());

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
}

async function send(at: string, body: Buffer | string | FormData, type?: string, accept?: string): Promise<Answer> {
  const response = await fetch(served.url + at, {
    method: 'POST',
    body: typeof body === 'string' || body instanceof FormData ? body : new Uint8Array(body),
    headers: {
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(accept === undefined ? {} : { accept }),
    },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const { status, headers } = response;
  return { status, headers, type: headers.get('content-type'), bytes, text: bytes.toString() };
}

const predict = (model: string): string => `/v1/models/${model}:predict`;
const NPY = 'application/x-npy';
const NPZ = 'application/x-npz';
const STREAM = 'application/vnd.apache.arrow.stream';

describe('bodies', () => {
  it.each([
    ['f4.npy', 'two', '{"predictions":[[0.0,0.25],[0.5,0.75],[1.0,1.25]]}'],
    ['f8-fortran.npy', 'two', '{"predictions":[[0.0,0.25],[0.5,0.75],[1.0,1.25]]}'],
    ['f2.npy', 'half', '{"predictions":[[0.0,1.0],[2.0,3.0]]}'],
    ['f2.npy', 'two', '{"predictions":[[0.0,1.0],[2.0,3.0]]}'],
    ['big-endian.npy', 'long', '{"predictions":[[0,1],[2,3]]}'],
    ['unicode.npy', 'text', '{"predictions":["a","é✓"]}'],
    ['bool.npy', 'flags', '{"predictions":[true,false]}'],
    ['version-2.npy', 'two', '{"predictions":[[0.0,1.0],[2.0,3.0]]}'],
    ['version-3.npy', 'two', '{"predictions":[[0.0,1.0],[2.0,3.0]]}'],
  ])('%s of NumPy, for %s', async (name, model, answer) => {
    expect(await send(predict(model), file(`npy/${name}`), NPY)).toMatchObject({ status: 200, text: answer });
  });

  it.each([
    ['stored.npz', 'two', '{"predictions":[[0.0,1.0],[2.0,3.0]]}'],
    ['positional.npz', 'two', '{"predictions":[[0.0,1.0],[2.0,3.0]]}'],
  ])('%s of NumPy, for %s', async (name, model, answer) => {
    expect(await send(predict(model), file(`npz/${name}`), NPZ)).toMatchObject({ status: 200, text: answer });
  });

  it.each([
    ['fixed-list.arrows', 'two', '[[0.0,0.25],[0.5,0.75],[1.0,1.25]]'],
    ['fixed-list.arrow', 'two', '[[0.0,0.25],[0.5,0.75],[1.0,1.25]]'],
    ['sliced.arrows', 'two', '[[0.5,0.75],[1.0,1.25],[0.0,0.25]]'],
    ['list.arrows', 'two', '[[1.5,2.0],[3.0,-4.0]]'],
    ['list-sliced.arrows', 'two', '[[3.0,-4.0]]'],
    ['large-list.arrows', 'two', '[[1.5,2.0],[3.0,-4.0]]'],
    ['features.arrows', 'two', '[[1.0,4.0],[2.0,5.0],[3.0,6.0]]'],
    ['tensor.arrows', 'cube', '[[[0.0,1.0,2.0],[3.0,4.0,5.0]],[[6.0,7.0,8.0],[9.0,10.0,11.0]]]'],
    ['halves.arrows', 'half', '[[0.0,1.0],[2.0,3.0]]'],
    ['bools.arrows', 'flags', '[true,false,true]'],
    ['large-text.arrows', 'text', '["a","bc"]'],
    ['pair.arrows', 'pair', '[{"out":["a","é"],"out2":[1,2]},{"out":["c","d"],"out2":[3,-9007199254740993]}]'],
  ])('%s of pyarrow, for %s', async (name, model, answer) => {
    const type = name.endsWith('.arrow') ? 'application/vnd.apache.arrow.file' : STREAM;
    const given = await send(predict(model), file(`arrow/${name}`), type);
    expect(given).toMatchObject({ status: 200, text: `{"predictions":${answer}}` });
  });

  it('as raw bytes, shaped by the signature, the query or a header', async () => {
    const bytes = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
    const answer = '{"predictions":[[1.0,2.0],[3.0,4.0]]}';
    const type = 'application/octet-stream';
    expect((await send(predict('two'), bytes, type)).text).toBe(answer);
    expect((await send(`${predict('two')}?shape=2,2`, bytes, type)).text).toBe(answer);
    const response = await fetch(served.url + predict('two'), {
      method: 'POST',
      body: bytes,
      headers: { 'content-type': type, 'x-slipway-shape': '[2, 2]' },
    });
    expect(await response.text()).toBe(answer);
  });

  it('as CSV, with and without a header', async () => {
    const answer = '{"predictions":[[1.5,2.0],[-3.0,4.0]]}';
    expect((await send(predict('two'), '1.5,2\n-3,4\n', 'text/csv')).text).toBe(answer);
    expect((await send(predict('two'), 'a,"b ""c"""\r\n1.5,2\r\n-3,4', 'text/csv')).text).toBe(answer);
    expect((await send(predict('two'), '1.5,2\n-3,4\n', 'text/csv; header=absent; label_size=0')).text).toBe(answer);
    expect((await send(predict('pair'), 'in2.1,in.0,in.1,in2.0\n9007199254740993,"a,b",c,1\n', 'text/csv')).text).toBe(
      '{"predictions":[{"out":["a,b","c"],"out2":[1,9007199254740993]}]}',
    );
  });

  it('as a form: JSON, text, .npy and raw parts, parts of one name as rows, `data` for the only input', async () => {
    const form = new FormData();
    form.append('in', new Blob(['["a","b"]'], { type: 'application/json' }));
    form.append('in2', new Blob([writeNpy(tensor('int64', [2], BigInt64Array.of(1n, 2n)))]), 'x.npy');
    expect((await send(predict('pair'), form)).text).toBe('{"predictions":[{"out":["a","b"],"out2":[1,2]}]}');
    const rows = new FormData();
    rows.append('in', 'first');
    rows.append('in', 'second é');
    expect((await send(predict('text'), rows)).text).toBe('{"predictions":["first","second é"]}');
    const only = new FormData();
    only.append('data', new Blob([Float32Array.of(5, 6)]));
    expect((await send(predict('two'), only)).text).toBe('{"predictions":[[5.0,6.0]]}');
    const numbers = new FormData();
    numbers.append('in', '[1, 2]');
    numbers.append('in', '[[3, 4]]');
    expect((await send(predict('two'), numbers)).text).toBe('{"predictions":[[1.0,2.0],[3.0,4.0]]}');
  });

  it('as plain text for a model that takes one, and as JSON when it is that', async () => {
    expect((await send(predict('text'), 'This movie was terrible!')).text).toBe(
      '{"predictions":["This movie was terrible!"]}',
    );
    expect((await send(predict('text'), '{"instances":["a"]}')).text).toBe('{"predictions":["a"]}');
    expect((await send(predict('two'), '{"instances":[[1,2]]}')).text).toBe('{"predictions":[[1.0,2.0]]}');
  });

  it('on every route that infers', async () => {
    const npy = file('npy/f4.npy');
    expect((await send('/v2/models/two/infer', npy, NPY)).text).toBe(
      '{"model_name":"two","model_version":"1","outputs":[{"name":"out","shape":[3,2],"datatype":"FP32","data":[0.0,0.25,0.5,0.75,1.0,1.25]}]}',
    );
    expect((await send('/predict/two', npy, NPY)).text).toBe('{"prediction":[[0.0,0.25],[0.5,0.75],[1.0,1.25]]}');
  });

  it('as binary tensors behind JSON, on the routes of other protocols too', async () => {
    const raw = Buffer.from(Float32Array.of(1, 2).buffer);
    const json = Buffer.from(
      '{"inputs":[{"name":"in","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}',
    );
    for (const at of ['/v2/models/two/infer', predict('two'), '/predict/two']) {
      const response = await fetch(served.url + at, {
        method: 'POST',
        body: Buffer.concat([json, raw]),
        headers: { 'inference-header-content-length': String(json.length) },
      });
      expect(await response.text()).toContain('"data":[1.0,2.0]');
    }
    const response = await fetch(served.url + predict('two'), {
      method: 'POST',
      body: raw,
      headers: { 'inference-header-content-length': '99999999999' },
    });
    expect(response.status).toBe(400);
  });

  it('of any size: large ones are read in a worker, with the same result', async () => {
    const rows = 20_000;
    const data = Float32Array.from({ length: rows * 2 }, (_, i) => i / 8);
    const given = tensor('float32', [rows, 2], data);
    const fortran = Buffer.from(file('npy/f8-fortran.npy'));
    expect(fortran.toString('latin1')).toContain("'fortran_order': True");
    const bodies: [string, Buffer | string][] = [
      [NPY, Buffer.from(writeNpy(given))],
      [NPZ, Buffer.from(writeNpz([['in', given]]))],
      ['text/csv', Array.from({ length: rows }, (_, i) => `${data[2 * i] ?? 0},${data[2 * i + 1] ?? 0}`).join('\n')],
    ];
    for (const [type, body] of bodies) {
      const answer = await send(predict('two'), body, type, NPY);
      expect(answer.status, answer.text.slice(0, 200)).toBe(200);
      expect(parseNpy(answer.bytes, type)).toEqual(given);
    }
  });
});

describe('answers', () => {
  const body = '{"instances":[[1,2],[3,4]]}';
  const ask = (accept: string, model = 'two', content = body): Promise<Answer> =>
    send(predict(model), content, 'application/json', accept);
  const expected = tensor('float32', [2, 2], Float32Array.of(1, 2, 3, 4));

  it('as .npy, .npz, Arrow, CSV and binary tensors', async () => {
    const npy = await ask(NPY);
    expect(npy.type).toBe(NPY);
    expect(parseNpy(npy.bytes, 'npy')).toEqual(expected);
    expect(readNpz((await ask(NPZ)).bytes).get('out')).toEqual(expected);
    for (const type of [STREAM, 'application/vnd.apache.arrow.file']) {
      const arrow = await ask(type);
      expect(arrow.type).toBe(type);
      const column = tableFromIPC(new Uint8Array(arrow.bytes)).getChild('out');
      expect([...column].map((row) => [...(row as Iterable<number>)])).toEqual([
        [1, 2],
        [3, 4],
      ]);
    }
    expect((await ask('text/csv')).text).toBe('1.0,2.0\n3.0,4.0\n');
    expect((await ask('text/csv; header=present')).text).toBe('out.0,out.1\n1.0,2.0\n3.0,4.0\n');
    const binary = await ask('application/octet-stream');
    const length = Number(binary.headers.get('inference-header-content-length'));
    expect(JSON.parse(binary.text.slice(0, length))).toMatchObject({ model_name: 'two' });
    expect(new Float32Array(new Uint8Array(binary.bytes.subarray(length)).buffer)).toEqual(expected.data);
  });

  it('in every dtype there and back', async () => {
    const cases: [string, Tensor][] = [
      ['half', tensor('float16', [1, 2], Uint16Array.of(0x3c00, 0x7c00))],
      ['flags', tensor('bool', [9], Uint8Array.of(1, 0, 1, 1, 0, 0, 0, 1, 1))],
      ['text', tensor('string', [2], ['a\n"b"', 'é✓'])],
      ['long', tensor('int64', [1, 2], BigInt64Array.of(2n ** 62n, -1n))],
    ];
    for (const [model, value] of cases) {
      const answer = await send(predict(model), Buffer.from(writeNpy(value)), NPY, STREAM);
      expect(answer.status, answer.text).toBe(200);
      const back = await send(predict(model), renamed(answer.bytes), STREAM, NPY);
      expect(parseNpy(back.bytes, model)).toEqual(value);
    }
    expect(float16ToNumber(0x3c00)).toBe(1);
  });

  it.each([
    ['*/*', 'application/json'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json'],
    ['application/json;q=0.1, application/x-npy', NPY],
    ['application/x-npy;q=0, */*', 'application/json'],
    ['application/x-npz; q=0.5, application/x-npy; q=0.4', NPZ],
    ['application/*;q=0.2, text/csv', 'text/csv'],
    ['text/*', 'text/csv'],
    ['APPLICATION/X-NPY', NPY],
    ['image/png, application/json;q=0.01', 'application/json'],
  ])('to Accept: %s is %s', async (accept, type) => {
    expect(await ask(accept)).toMatchObject({ status: 200, type });
  });

  it('is refused with 406 when the client takes none of the forms there are', async () => {
    for (const accept of ['image/png', 'application/json;q=0', 'text/html, application/xml']) {
      const answer = await ask(accept);
      expect(answer.status).toBe(406);
      expect(JSON.parse(answer.text)).toMatchObject({ code: 'NOT_ACCEPTABLE' });
      expect(answer.text).toContain('application/vnd.apache.arrow.stream');
    }
    const several = await ask(NPY, 'pair', '{"instances":[{"in":["a","b"],"in2":[1,2]}]}');
    expect(several.status).toBe(406);
    expect(several.text).not.toContain('application/x-npy,');
  });

  it('has a hint for who sends much JSON', async () => {
    const small = await ask('*/*');
    expect(small.headers.get('x-slipway-hint')).toBeNull();
    const rows = `{"instances":[${Array.from({ length: 200_000 }, () => '[1,2]').join(',')}]}`;
    const large = await ask('*/*', 'two', rows);
    expect(large.status).toBe(200);
    expect(large.headers.get('x-slipway-hint')).toContain('application/x-npy');
  });
});

/** The column `out` called `in`: the name is in the metadata of the schema, with its length before it. */
function renamed(arrow: Buffer): Buffer {
  const copy = Buffer.from(arrow);
  const at = copy.indexOf(Buffer.from('\x03\0\0\0out', 'latin1'));
  copy.writeUInt32LE(2, at);
  copy.write('in\0', at + 4, 'latin1');
  return copy;
}

describe('refused, and a good request answered after', () => {
  const cases: [string, string, string, Buffer | string, RegExp][] = [
    ['a .npy that is cut off', 'two', NPY, file('npy/f4.npy').subarray(0, 100), /cut off|needs/],
    [
      'a .npy of another shape',
      'two',
      NPY,
      Buffer.from(writeNpy(tensor('float32', [1, 3], new Float32Array(3)))),
      /shape is \[1, 3\]/,
    ],
    ['a .npy of pickles', 'two', NPY, file('npy/object.npy'), /not supported/],
    ['a .npy of complex numbers', 'two', NPY, file('npy/complex.npy'), /not supported/],
    [
      'a .npy of numbers that do not fit',
      'two',
      NPY,
      Buffer.from(writeNpy(tensor('float64', [1, 2], Float64Array.of(1e300, 0)))),
      /cannot hold/,
    ],
    ['a .npy for two inputs', 'pair', NPY, file('npy/f4.npy'), /holds one tensor/],
    ['a .npz without an input', 'pair', NPZ, file('npz/stored.npz'), /no array "in2"/],
    ['a .npz that is none', 'two', NPZ, 'PK nonsense', /not a ZIP archive/],
    [
      'a .npz that unpacks to more than a body may be',
      'two',
      NPZ,
      Buffer.from(writeNpz([['in', tensor('uint8', [80_000_000], new Uint8Array(80_000_000))]])),
      /more than the limit of 67108864/,
    ],
    ['Arrow with nulls', 'two', STREAM, file('arrow/nulls.arrows'), /has nulls/],
    ['Arrow with null lists', 'two', STREAM, file('arrow/nulls-list.arrows'), /has nulls/],
    ['Arrow with ragged lists', 'two', STREAM, file('arrow/ragged.arrows'), /differ in length/],
    ['Arrow with a dictionary', 'text', STREAM, file('arrow/dictionary.arrows'), /dictionary-encoded/],
    ['Arrow with structs', 'two', STREAM, file('arrow/struct.arrows'), /type struct/],
    ['compressed Arrow', 'two', STREAM, file('arrow/zstd.arrows'), /compressed/],
    ['an Arrow table without rows', 'two', STREAM, file('arrow/empty.arrows'), /no rows/],
    ['Arrow that is cut off', 'two', STREAM, file('arrow/fixed-list.arrows').subarray(0, 300), /cut off/],
    ['CSV with a word', 'two', 'text/csv; header=absent', '1,2\n3,four', /line 2, column 2.*"four" is not a number/],
    [
      'CSV with a column too many',
      'pair',
      'text/csv',
      'in.0,in.1,in2.0,in2.1,id\n1,2,3,4,5',
      /column "id" is not an input/,
    ],
    ['ragged CSV', 'two', 'text/csv', '1,2\n3', /row 2 of the CSV has 1 cells/],
    ['CSV with a stray quote', 'two', 'text/csv', '1,2"\n', /quote/],
    ['an empty CSV', 'two', 'text/csv', '', /empty/],
    ['raw bytes that do not make rows', 'two', 'application/octet-stream', Buffer.alloc(7), /needs \d+ bytes/],
    ['a form without its boundary', 'two', 'multipart/form-data', 'x', /boundary/],
    [
      'a form that ends in the middle',
      'two',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="in"\r\n\r\n[1',
      /cannot be read/,
    ],
    [
      'a form with a part nobody wants',
      'two',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="zz"\r\n\r\n1\r\n--b--\r\n',
      /"zz" is not an input/,
    ],
    [
      'an image for a model that takes numbers',
      'two',
      'image/png',
      Buffer.from([0x89, 0x50]),
      /needs a model that takes text or images/,
    ],
    [
      'a form of 5000 parts',
      'two',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="in"\r\n\r\n1\r\n'.repeat(5000) + '--b--\r\n',
      /more than 4096 parts/,
    ],
  ];
  it.each(cases)('%s', async (_, model, type, body, problem) => {
    const answer = await send(predict(model), body, type);
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 400 });
    const { error } = JSON.parse(answer.text) as { error: string };
    expect(error).toMatch(problem);
    expect(await send('/predict/one', '[21]')).toMatchObject({ status: 200, text: '{"prediction":[42.0]}' });
  });

  it('what is no kind of tensor, before its body is taken', async () => {
    const answer = await send(predict('two'), 'x', 'application/pdf');
    expect(answer.status).toBe(415);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'MEDIA_TYPE_UNSUPPORTED' });
    expect(answer.text).toContain('application/x-npy');
  });
});

describe('the corpus of NumPy and pyarrow', () => {
  it('is answered, well or with an error of the client', async () => {
    const types = { npy: NPY, npz: NPZ, arrow: STREAM } as const;
    let seen = 0;
    for (const [folder, type] of Object.entries(types)) {
      for (const name of readdirSync(path.join(CORPUS, folder))) {
        for (const model of ['two', 'text', 'pair']) {
          const { status } = await send(predict(model), file(`${folder}/${name}`), type);
          expect([200, 400], name).toContain(status);
          seen++;
        }
      }
    }
    expect(seen).toBeGreaterThan(100);
  });
});
