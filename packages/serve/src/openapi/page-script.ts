/**
 * What `/docs` does in the browser: reads `/openapi.json`, shows it, and sends requests that a person edited. Everything that comes
 * from the document or from an answer is put in as text, never as markup.
 *
 * Kept as text because it is no module of the server; it is plain JavaScript that every browser of the last years runs.
 */
export const SCRIPT = String.raw`
'use strict';
const $ = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === 'class') element.className = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};
/** Text in which code stands between backticks. */
const prose = (text) => text.split('\`').map((part, index) => (index % 2 === 1 ? $('code', {}, part) : part));
const shapeOf = ({ dtype, shape }) => dtype + (shape === null ? ', any shape' : '[' + shape.join(', ') + ']');
const tensors = (title, specs) =>
  $('div', {}, $('h3', {}, title), ...specs.map((spec) => $('div', { class: 'tensor' }, $('b', {}, spec.name), $('code', {}, shapeOf(spec)))));
const compact = (value) => {
  const line = JSON.stringify(value);
  if (line.length <= 100 || typeof value !== 'object' || value === null) return line;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object' || item === null)) return line;
    return '[\n' + value.map((item) => '  ' + compact(item).replaceAll('\n', '\n  ')).join(',\n') + '\n]';
  }
  return '{\n' + Object.entries(value).map(([key, item]) => '  ' + JSON.stringify(key) + ': ' + compact(item).replaceAll('\n', '\n  ')).join(',\n') + '\n}';
};
const quote = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
const size = (bytes) => (bytes < 1024 ? bytes + ' B' : (bytes / 1024).toFixed(1) + ' KiB');

/** Zeros of the smallest shape, for a model whose example is too large to write out. */
const zeros = (model) => {
  const [spec] = model.inputs;
  const widths = { float16: 2, float32: 4, float64: 8, int64: 8, uint64: 8, int32: 4, uint32: 4, int16: 2, uint16: 2 };
  const count = (spec.shape || [1]).reduce((product, dim) => product * (typeof dim === 'number' ? dim : 1), 1);
  return new Uint8Array(count * (widths[spec.dtype] || 1));
};

function operation(document, path, method, of, model) {
  const content = of.requestBody && of.requestBody.content['application/json'];
  const answers = of.responses['200'].content;
  const raw = of.requestBody && content && content.example === undefined && model && model.inputs.length === 1 && model.inputs[0].dtype !== 'string';
  const editor = content ? $('textarea', { spellcheck: 'false', 'aria-label': 'Body of the request' }) : null;
  if (editor) {
    editor.value = content.example === undefined ? '' : compact(content.example);
    if (raw) editor.placeholder = 'The input is too large to show. Leave this empty to send zeros of its shape as application/octet-stream.';
  }
  const file = of.requestBody && of.requestBody.content['image/*'] ? $('input', { type: 'file', accept: 'image/*', 'aria-label': 'An image to send instead' }) : null;
  const accept = answers && Object.keys(answers).length > 1
    ? $('select', { 'aria-label': 'Form of the answer' }, ...Object.keys(answers).map((type) => $('option', {}, type)))
    : null;
  const answer = $('pre', { class: 'answer', tabindex: '0', 'aria-live': 'polite' }, 'Nothing sent yet.');
  const status = $('span', {});
  const curl = $('pre', { class: 'curl' });
  const request = () => {
    const headers = {};
    let body;
    const image = file && file.files[0];
    if (image) {
      headers['Content-Type'] = image.type;
      body = image;
    } else if (editor) {
      const zero = raw && editor.value.trim() === '';
      headers['Content-Type'] = zero ? 'application/octet-stream' : 'application/json';
      body = zero ? zeros(model) : editor.value;
      // Octets are JSON to that protocol unless it is told that there is none.
      if (zero && of.tags[0] === 'Open Inference Protocol') headers['Inference-Header-Content-Length'] = '0';
    }
    if (accept && accept.value !== 'application/json') headers.Accept = accept.value;
    return { method: method.toUpperCase(), headers, body };
  };
  const showCurl = () => {
    const { headers, body } = request();
    const at = new URL(path, location.href).href;
    const lines = ['curl -s ' + (method === 'get' || body !== undefined ? '' : '-X ' + method.toUpperCase() + ' ') + at];
    for (const [name, value] of Object.entries(headers)) {
      if (body === undefined || name !== 'Content-Type' || value !== 'application/json') lines.push('-H ' + quote(name + ': ' + value));
    }
    if (typeof body === 'string') lines.push('-d ' + quote(body.length > 2000 ? '@request.json' : body.replaceAll(/\s*\n\s*/g, ' ')).replace("'@request.json'", '@request.json'));
    else if (body !== undefined) lines.push('--data-binary @' + (file && file.files[0] ? file.files[0].name : 'tensor.bin'));
    if (headers.Accept) lines.push('-o answer');
    curl.textContent = lines.join(' \\\n  ');
  };
  const send = async (event) => {
    event.target.disabled = true;
    status.className = '';
    status.textContent = '…';
    const started = performance.now();
    try {
      const response = await fetch(path, request());
      const bytes = await response.arrayBuffer();
      const took = performance.now() - started;
      status.className = 'status ' + (response.ok ? 'good' : 'bad');
      status.textContent = response.status + ' · ' + took.toFixed(1) + ' ms · ' + size(bytes.byteLength);
      const type = response.headers.get('content-type') || '';
      if (bytes.byteLength === 0) answer.textContent = '(empty)';
      else if (/json|text/.test(type)) {
        const text = new TextDecoder().decode(bytes);
        try { answer.textContent = compact(JSON.parse(text)); } catch { answer.textContent = text; }
        if (answer.textContent.length > 20000) answer.textContent = answer.textContent.slice(0, 20000) + '\n…';
      } else {
        const shown = new Uint8Array(bytes.slice(0, 256));
        const rows = [];
        for (let at = 0; at < shown.length; at += 16) {
          const part = [...shown.slice(at, at + 16)];
          rows.push(part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(50) + part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·')).join(''));
        }
        answer.textContent = type + ', ' + size(bytes.byteLength) + '\n\n' + rows.join('\n');
      }
    } catch (error) {
      status.className = 'status bad';
      status.textContent = 'not sent';
      answer.textContent = String(error);
    }
    event.target.disabled = false;
  };
  if (editor) editor.addEventListener('input', showCurl);
  if (accept) accept.addEventListener('change', showCurl);
  if (file) file.addEventListener('change', showCurl);
  showCurl();
  const errors = Object.entries(of.responses).filter(([code]) => code !== '200').map(([code, { $ref }]) => [code, document.components.responses[$ref.split('/').pop()]]);
  const forms = content ? Object.keys(of.requestBody.content) : [];
  const body = $('div', { class: 'body' },
    of.description ? $('p', {}, ...prose(of.description)) : null,
    $('div', { class: 'try' },
      editor ? $('div', {}, $('div', { class: 'over' }, 'Request'), editor) : null,
      $('div', {}, $('div', { class: 'over' }, 'Answer'), answer)),
    $('div', { class: 'bar' },
      $('button', { onclick: send }, 'Send'),
      editor && content.example !== undefined ? $('button', { class: 'quiet', onclick: () => { editor.value = compact(content.example); showCurl(); } }, 'Reset') : null,
      file ? $('label', {}, 'or an image', file) : null,
      accept ? $('label', {}, 'Answer as', accept) : null,
      status),
    $('div', { class: 'errors' }, $('div', { class: 'over' }, 'On the command line'), curl),
    $('details', { class: 'errors' }, $('summary', {}, 'Other bodies and errors'),
      $('dl', {},
        ...(forms.length > 1 ? [$('dt', {}, 'Bodies'), $('dd', {}, forms.join(', '))] : []),
        ...errors.flatMap(([code, { description }]) => [$('dt', {}, code), $('dd', {}, ...prose(description))]))));
  return $('details', { class: 'operation', id: of.operationId },
    $('summary', {}, $('span', { class: 'verb ' + method }, method.toUpperCase()), $('code', { class: 'path' }, path), $('span', { class: 'what' }, of.summary)),
    body);
}

function show(document_) {
  const main = document.querySelector('main');
  const nav = document.querySelector('nav ul');
  const models = document_['x-slipway-models'];
  const all = Object.entries(document_.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, of]) => ({ path, method, of })));
  const owner = ({ of }) => models.find(({ name }) => of['x-slipway-model'] === name);
  const protocols = document_.tags.map(({ name, description }) => ({ name, description }));
  document.querySelector('.meta').append(
    $('span', {}, 'Version ' + document_.info.version),
    $('span', {}, models.length + (models.length === 1 ? ' model' : ' models')),
    $('a', { href: 'openapi.json' }, 'openapi.json'));
  const groups = (operations, model, open) => protocols.flatMap(({ name, description }) => {
    const own = operations.filter(({ of }) => of.tags[0] === name);
    if (own.length === 0) return [];
    const cards = own.map(({ path, method, of }) => operation(document_, path, method, of, model));
    if (open && cards[0]) { cards[0].open = true; open = false; }
    return [$('div', { class: 'group' }, name, model ? null : $('small', {}, ...prose(description))), $('div', { class: 'card stack' }, ...cards)];
  });
  models.forEach((model, index) => {
    const id = 'model-' + model.name;
    nav.append($('li', {}, $('a', { href: '#' + id }, model.name)));
    const notes = { golden: 'The request shown is a golden sample of the release.', synthetic: 'The request shown fits the signature; its values mean nothing.' };
    main.append($('section', { id },
      $('h2', {}, model.name, $('small', {}, 'version ' + model.version)),
      $('p', { class: 'lead' }, notes[model.example] || 'The input is too large to show here.'),
      $('div', { class: 'card io' }, tensors('Inputs', model.inputs), tensors('Outputs', model.outputs)),
      ...groups(all.filter((each) => owner(each) === model), model, index === 0)));
  });
  if (models.length === 0) main.append($('section', {}, $('div', { class: 'card empty' }, 'No model is ready. This page shows what is served when it is loaded again.')));
  nav.append($('li', {}, $('a', { href: '#server' }, 'Server')));
  main.append($('section', { id: 'server' }, $('h2', {}, 'Server'), ...groups(all.filter((each) => owner(each) === undefined), null, false)));
  if (location.hash) { const at = document.getElementById(decodeURIComponent(location.hash.slice(1))); if (at) { if (at.open === false) at.open = true; at.scrollIntoView(); } }
}

fetch('openapi.json' + location.search).then((response) => response.json().then((body) => {
  if (!response.ok) throw new Error(body.error);
  show(body);
})).catch((error) => {
  document.querySelector('main').append($('section', {}, $('div', { class: 'card empty' }, 'The description of the server cannot be read: ' + error.message)));
});
`;
