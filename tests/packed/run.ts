/**
 * The packed tarballs, as a user gets them: installed with npm into an empty folder, without any flag, and used on a model that lies
 * elsewhere. Third-party packages come from the registry; nothing of this repository is reachable from the folder.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');
const installed = mkdtempSync(path.join(tmpdir(), 'slipway-packed-'));
const project = mkdtempSync(path.join(tmpdir(), 'slipway-project-'));
const slipway = path.join(installed, 'node_modules/.bin/slipway');

/** As in a shell of the user: nothing of the npm that runs this, and no node of this repository. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) && name !== 'NODE_OPTIONS' && name !== 'INIT_CWD',
  ),
);
env['PATH'] = (process.env['PATH'] ?? '')
  .split(':')
  .filter((folder) => !folder.includes('node_modules'))
  .join(':');

let passed = 0;
const failures: string[] = [];

function check(name: string, holds: boolean, detail = ''): void {
  if (holds) passed++;
  else failures.push(`${name}${detail === '' ? '' : `: ${detail.slice(0, 2000)}`}`);
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${name}`);
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], cwd: string): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 300_000 });
  return { code: status, stdout, stderr };
}

/** As an editor would, with the types that were installed. */
function typecheck(file: string): Ran {
  const compilerOptions = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    module: 'nodenext',
    target: 'es2024',
  };
  writeFileSync(path.join(installed, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(path.join(installed, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }));
  return run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], installed);
}

async function servesAndStops(command: string): Promise<boolean> {
  const ready = await whileServing(command, [], '/', {}, (url) => fetch(new URL('/v2/health/ready', url)));
  return ready.ok;
}

/** @throws when the server does not end well */
async function whileServing<T>(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: NodeJS.ProcessEnv,
  ask: (url: string) => Promise<T>,
): Promise<T> {
  const child = spawn(command, [...args, '--port', '0', '--grpc-port', '0', '--admin-port', '0', '--json'], {
    cwd,
    env: environment,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += String(chunk);
    if (text.trimEnd().endsWith('\n}')) break;
  }
  const { url } = JSON.parse(text) as { url: string };
  const answer = await ask(url);
  child.kill('SIGTERM');
  const code = await exited;
  if (code !== 0) throw new Error(`the server ended with ${code}`);
  return answer;
}

/** Builds and serves an example with transforms, and gives the text of its answer to one POST /predict. */
async function answerOf(example: string, type: string, body: string | Buffer): Promise<string> {
  const at = path.join(project, example);
  for (const name of [example, 'digits']) {
    cpSync(path.join(root, 'examples', name), path.join(project, name), { recursive: true });
  }
  const build = run(slipway, ['build', '--json'], at);
  if (build.code !== 0) return build.stderr + build.stdout;
  const sent = { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers: { 'Content-Type': type } };
  return whileServing(slipway, ['serve'], at, env, async (url) => (await fetch(new URL('/predict', url), sent)).text());
}

function json(ran: Ran): Record<string, unknown> {
  try {
    return JSON.parse(ran.stdout) as Record<string, unknown>;
  } catch {
    return {};
  }
}

try {
  const pack = spawnSync(process.execPath, [path.join(root, 'tools/pack.ts')], { cwd: root, stdio: 'inherit' });
  check('the packages pack', pack.status === 0);
  const tarballs = readdirSync(path.join(root, '.cache/packages')).map((file) =>
    path.join(root, '.cache/packages', file),
  );

  const install = run('npm', ['install', '--no-audit', '--no-fund', ...tarballs], installed);
  check('npm install of the tarballs into an empty folder', install.code === 0, install.stderr);
  check('the command is there', existsSync(slipway));
  const engine = path.join(installed, 'node_modules/@slipway/runtime/node_modules/onnxruntime-node/bin/napi-v6');
  check(
    'nothing was downloaded for CUDA',
    !readdirSync(path.join(engine, 'linux/x64')).some((file) => file.includes('cuda')),
  );
  check('npx slipway --version', run('npx', ['slipway', '--version'], installed).stdout.trim() === '0.1.0');

  cpSync(path.join(root, 'examples/digits/mnist.onnx'), path.join(project, 'my-model.onnx'));
  const inspect = run(slipway, ['inspect', 'my-model.onnx', '--json'], project);
  check('slipway inspect', inspect.code === 0 && 'signature' in json(inspect), inspect.stderr);
  const init = run(slipway, ['init', 'my-model.onnx', '--json'], project);
  check('slipway init', init.code === 0 && json(init)['name'] === 'my-model', init.stderr);
  const build = run(slipway, ['build', '--json'], project);
  check(
    'slipway build makes a release',
    build.code === 0 && json(build)['release'] !== null,
    build.stderr + build.stdout,
  );
  check('the report is there', existsSync(path.join(project, '.slipway/reports/my-model.html')));
  const predict = run(slipway, ['predict', 'my-model', '--json'], project);
  check('slipway predict', predict.code === 0 && 'outputs' in json(predict), predict.stderr + predict.stdout);
  const verify = run(slipway, ['verify', 'my-model'], project);
  check('slipway verify', verify.code === 0, verify.stderr + verify.stdout);
  const bench = run(slipway, ['bench', 'my-model', '--duration', '500ms', '--warmup', '100ms', '--json'], project);
  check(
    'slipway bench starts a server and gets answers',
    Number(json(bench)['requests']) > 0,
    bench.stderr + bench.stdout,
  );
  const bundle = run(slipway, ['bundle', 'my-model', '--output', 'bundle', '--json'], project);
  check('slipway bundle', bundle.code === 0 && existsSync(path.join(project, 'bundle/run')), bundle.stderr);
  check('the bundle serves, and stops when told', await servesAndStops(path.join(project, 'bundle/run')));

  const label = await answerOf('sentiment', 'application/json', '{"text":"This movie was terrible!"}');
  check('a release with a tokenizer answers text with a label', label.includes('"negative"'), label);
  const seven = readFileSync(path.join(root, 'examples/digit-images/seven.png'));
  const digit = await answerOf('digit-images', 'image/png', seven);
  check('a release with an image decoder answers an image with a label', digit.includes('["seven"'), digit);

  const config = readFileSync(path.join(project, 'slipway.config.ts'), 'utf8');
  writeFileSync(path.join(installed, 'slipway.config.ts'), config);
  writeFileSync(path.join(installed, 'wrong.config.ts'), config.replace("name: 'my-model'", 'name: 42'));
  const types = typecheck('slipway.config.ts');
  check('the types of the config resolve', types.code === 0, types.stdout);
  const wrong = typecheck('wrong.config.ts');
  check(
    'the types of the config refuse a wrong value',
    wrong.stdout.includes("'name'") || wrong.stdout.includes('TS2322'),
    wrong.stdout,
  );
} finally {
  rmSync(installed, { recursive: true, force: true });
  rmSync(project, { recursive: true, force: true });
}

for (const failure of failures) console.error(`\n${failure}`);
console.log(`\n${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1;
