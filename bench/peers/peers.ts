/**
 * Who is measured, and how each is started in the way that suits it best. `setting` says what was chosen and why it is the
 * best of what was tried is in README.md; a peer that cannot run on this machine says what it lacks.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Subject } from './models.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Peer {
  readonly name: string;
  /** Speaks tensors in binary behind a JSON header. */
  readonly binary: boolean;
  /** Installs what it needs, once. @throws with what is missing */
  prepare(): void;
  command(subject: Subject, port: number): Command;
}

const here = (...parts: string[]): string => path.join(import.meta.dirname, ...parts);

/** The most rows a batch may have, for all that batch. */
const MAX_BATCH = 32;

export function peers(cache: string): Peer[] {
  const venv = (name: string): { python: string; site: string; prepare: () => void } => {
    const directory = path.join(cache, 'venv', name);
    const python = path.join(directory, 'bin/python');
    const lib = path.join(directory, 'lib');
    return {
      python,
      get site() {
        const version = readdirSync(lib).find((entry) => entry.startsWith('python3')) ?? '';
        return path.join(lib, version, 'site-packages');
      },
      prepare: () => {
        const done = path.join(directory, 'complete');
        if (existsSync(done)) return;
        must('python3', ['-m', 'venv', directory]);
        const requirements = here('python', `requirements-${name}.txt`);
        must(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
        writeFileSync(done, '');
      },
    };
  };
  const fastapi = venv('fastapi');
  const kserve = venv('kserve');
  const mlserver = venv('mlserver');
  const litserve = venv('litserve');
  const triton = venv('triton');
  /** One thread in every library, and where the model is. */
  const threads = (subject: Subject): Record<string, string> => ({ OMP_NUM_THREADS: '1', MODEL: subject.file });
  const uvicorn = (name: string, module: string): Peer => ({
    name,
    binary: false,
    prepare: fastapi.prepare,
    command: (subject, port) => ({
      program: fastapi.python,
      args: ['-m', 'uvicorn', `${module}:app`, '--port', String(port), '--workers', '2', '--no-access-log'],
      env: threads(subject),
      cwd: here('python'),
    }),
  });
  return [
    {
      name: 'slipway',
      binary: true,
      prepare: () => undefined,
      command: (subject, port) => ({
        program: process.execPath,
        args: [
          here('../../node_modules/slipway/bin/slipway.js'),
          'serve',
          ...['--model', `m=${subject.file}`, '--port', String(port), '--grpc-port', String(port + 1)],
          ...['--admin-port', '0', '--threads', '1', '--runners', subject.heavy ? '2' : '1', '--log-level', 'error'],
        ],
      }),
    },
    {
      name: 'native',
      binary: true,
      prepare: () => {
        fastapi.prepare();
        must('cargo', ['build', '--release', '--locked'], { cwd: here('native'), env: cargo(cache) });
      },
      command: (subject, port) => ({
        program: path.join(cache, 'native/release/native'),
        args: [subject.file, subject.heavy ? '2' : '1', String(MAX_BATCH), String(port)],
        env: { ORT_DYLIB_PATH: runtimeLibrary(fastapi.site) },
      }),
    },
    {
      name: 'triton',
      binary: true,
      prepare: triton.prepare,
      command: (subject, port) => tritonCommand(cache, triton.site, subject, port),
    },
    uvicorn('fastapi', 'fastapi_plain'),
    uvicorn('fastapi-fast', 'fastapi_fast'),
    {
      name: 'mlserver',
      binary: false,
      prepare: mlserver.prepare,
      command: (subject, port) => {
        const directory = path.join(cache, 'mlserver');
        mkdirSync(directory, { recursive: true });
        const settings = {
          ...{ http_port: port, grpc_port: port + 1, metrics_endpoint: null, host: '127.0.0.1' },
          // In its own process: on small models the workers' queues cost more than they give.
          ...{ parallel_workers: subject.heavy ? 2 : 0, debug: false, use_structured_logging: false },
        };
        writeFileSync(path.join(directory, 'settings.json'), JSON.stringify(settings));
        const model = { name: 'm', implementation: 'mlserver_runtime.Onnx' };
        writeFileSync(path.join(directory, 'model-settings.json'), JSON.stringify(model));
        const env = { ...threads(subject), PYTHONPATH: here('python'), MLSERVER_LOGGING_SETTINGS: '' };
        return { program: path.join(path.dirname(mlserver.python), 'mlserver'), args: ['start', directory], env };
      },
    },
    {
      name: 'kserve',
      binary: false,
      prepare: kserve.prepare,
      command: (subject, port) => ({
        program: kserve.python,
        args: [here('python/kserve_server.py'), String(port), '2'],
        env: threads(subject),
      }),
    },
    {
      name: 'litserve',
      binary: false,
      prepare: litserve.prepare,
      command: (subject, port) => ({
        program: litserve.python,
        args: [here('python/litserve_server.py'), String(port), subject.heavy ? '2' : '1', String(MAX_BATCH)],
        env: threads(subject),
      }),
    },
  ];
}

/** Where cargo builds: the checkout stays clean. */
export const cargo = (cache: string): Record<string, string> => ({ CARGO_TARGET_DIR: path.join(cache, 'native') });

/** The engine of the Python package: the native server runs on the very same one. */
function runtimeLibrary(site: string): string {
  const directory = path.join(site, 'onnxruntime/capi');
  const name = readdirSync(directory).find((entry) => entry.startsWith('libonnxruntime.so'));
  if (name === undefined) throw new Error(`no libonnxruntime.so in ${directory}`);
  return path.join(directory, name);
}

/** Triton as the wheel `nvidia-pytriton` brings it: the server itself, with the Python backend and no other. */
function tritonCommand(cache: string, site: string, subject: Subject, port: number): Command {
  const directory = path.join(cache, 'triton');
  const server = path.join(site, 'pytriton/tritonserver');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(path.join(directory, 'repository/m/1'), { recursive: true });
  mkdirSync(path.join(directory, 'backends/python'), { recursive: true });
  for (const file of readdirSync(path.join(server, 'backends/python'), { withFileTypes: true })) {
    if (!file.isFile()) continue;
    copyFileSync(path.join(server, 'backends/python', file.name), path.join(directory, 'backends/python', file.name));
  }
  const version = /python(3\.\d+)/.exec(site)?.[1] ?? '';
  const stub = 'triton_python_backend_stub';
  copyFileSync(path.join(server, 'python_backend_stubs', version, stub), path.join(directory, 'backends/python', stub));
  copyFileSync(here('python/triton_model.py'), path.join(directory, 'repository/m/1/model.py'));
  const { tensor, stackable } = subject;
  const dims = (shape: readonly number[]): string => `[ ${shape.join(', ')} ]`;
  const type = tensor.dtype === 'int64' ? 'TYPE_INT64' : 'TYPE_FP32';
  const lead = stackable ? [] : [tensor.shape[0] ?? 1];
  writeFileSync(
    path.join(directory, 'repository/m/config.pbtxt'),
    `name: "m"
backend: "python"
max_batch_size: ${stackable ? MAX_BATCH : 0}
input { name: "${subject.input}" data_type: ${type} dims: ${dims([...lead, ...tensor.shape.slice(1)])} }
output { name: "${subject.output}" data_type: TYPE_FP32 dims: ${dims([...lead, ...subject.outputShape])} }
${stackable ? 'dynamic_batching { }' : ''}
instance_group { count: 2 kind: KIND_CPU }
`,
  );
  const python = spawnSync('python3', ['-c', 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))'], {
    encoding: 'utf8',
  }).stdout.trim();
  return {
    program: path.join(server, 'bin/tritonserver'),
    args: [
      `--model-repository=${path.join(directory, 'repository')}`,
      `--backend-directory=${path.join(directory, 'backends')}`,
      ...['--http-address=127.0.0.1', `--http-port=${port}`, '--grpc-address=127.0.0.1', `--grpc-port=${port + 1}`],
      ...['--allow-metrics=false', '--log-info=false', '--log-warning=false'],
    ],
    env: {
      OMP_NUM_THREADS: '1',
      MODEL: subject.file,
      BENCH_SITE_PACKAGES: site,
      LD_LIBRARY_PATH: [path.join(site, 'nvidia_pytriton.libs'), python].join(':'),
    },
  };
}

function must(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): void {
  const { status, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  if (status === 0) return;
  throw new Error(
    `${program} ${args.slice(0, 4).join(' ')}: ${error?.message ?? stderr.trim().split('\n').slice(-3).join(' ')}`,
  );
}
