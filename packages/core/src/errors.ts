/**
 * Every failure a user can see is declared once, here: a code, a message template, the HTTP and gRPC status a
 * protocol answers with, the exit code of the command line, and what to do about it.
 *
 * Codes cross process boundaries (runner → gateway → client); classes do not. So code compares `error.code`, and
 * `toWire`/`fromWire` carry an error over IPC or JSON without loss. A code, once published, is never reused for
 * another meaning.
 *
 * The parameters of a message are checked by the compiler: `fail('MODEL_NOT_FOUND', { name })` does not compile
 * when the template asks for something else.
 */

/** Exit codes of the `slipway` command. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  auth: 4,
  conflict: 5,
  timeout: 6,
  gateFailed: 7,
  interrupted: 130,
} as const;

export type GrpcStatus =
  | 'INVALID_ARGUMENT'
  | 'FAILED_PRECONDITION'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'ABORTED'
  | 'RESOURCE_EXHAUSTED'
  | 'CANCELLED'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED';

export interface ErrorDefinition {
  readonly message: string;
  readonly http: number;
  readonly grpc: GrpcStatus;
  readonly exit: number;
  readonly remedy: string;
}

/** A mistake in what the user sent or wrote. */
const invalid = (message: string, remedy: string, http = 400, exit: number = EXIT.error): ErrorDefinition => ({
  message,
  http,
  grpc: 'INVALID_ARGUMENT',
  exit,
  remedy,
});

const define = <const T extends Record<string, ErrorDefinition>>(table: T): T => table;

type Def<M extends string> = Omit<ErrorDefinition, 'message'> & { readonly message: M };
const row = <const M extends string>(
  message: M,
  http: number,
  grpc: GrpcStatus,
  exit: number,
  remedy: string,
): Def<M> => ({ message, http, grpc, exit, remedy });
const bad = <const M extends string>(message: M, remedy: string, http = 400, exit: number = EXIT.error): Def<M> =>
  invalid(message, remedy, http, exit) as Def<M>;

// prettier-ignore
export const errorTable = define({
  // Command line and configuration
  USAGE: bad('{problem}', 'Run the command with --help to see what it takes.', 400, EXIT.usage),
  CONFIG_NOT_FOUND: row('No slipway.config.ts in {directory}', 404, 'NOT_FOUND', EXIT.notFound, 'Run `slipway init model.onnx` to write one, or pass --config PATH.'),
  CONFIG_UNREADABLE: bad('Cannot load {path}: {problem}', 'Fix the file; it must be a module whose default export is defineConfig({ … }).', 400, EXIT.usage),
  CONFIG_INVALID: bad('{path}: {problem}', 'See docs/reference/config.md for every key and its type.', 400, EXIT.usage),
  SERVING_CONFIG_INVALID: bad('{path}: {problem}', 'Correct the file; docs/guides/serving-models.md says what is read from it.', 400, EXIT.usage),

  // Files and data
  FILE_NOT_FOUND: row('{path}: no such file', 404, 'NOT_FOUND', EXIT.notFound, 'Check the path; relative paths in a config are relative to the config file.'),
  REPORT_NOT_FOUND: row('There is no report of {what} that this version of Slipway can read', 404, 'NOT_FOUND', EXIT.notFound, 'Run `slipway build`: it measures again what it has not, and writes one.'),
  FILE_UNREADABLE: bad('{path}: cannot be read: {problem}', 'Check that it exists, is a regular file and that you may read it.'),
  FILE_EXISTS: row('{path} exists already', 409, 'ALREADY_EXISTS', EXIT.conflict, 'Keep it and edit it, or replace it with --force.'),
  DATA_FORMAT: bad('{path}: {problem}', 'Supported data: .npy, .npz, IDX (.idx, -ubyte, optionally .gz), .csv, .json and .jsonl.'),
  DATA_MISMATCH: bad('{problem}', 'Inputs and labels must have the same number of rows, and fit the model signature.'),
  DATA_EMPTY: bad('{path}: contains no rows', 'Give at least one example.'),
  DATA_OVERLAP: bad('{count} of the evaluation rows are also calibration rows (first: row {row})', 'Evaluate on held-out data: give calibration and evaluation different rows.'),
  DISK_FULL: row('{path}: no space left on the device while {action}', 507, 'RESOURCE_EXHAUSTED', EXIT.error, 'Free some space and run the command again; nothing half-written was kept.'),
  READ_ONLY: row('{path}: cannot be written: {problem}', 500, 'FAILED_PRECONDITION', EXIT.error, 'Make the directory writable, or choose another with --store.'),

  // Model files
  MODEL_FORMAT: bad('{path}: not a usable ONNX model: {problem}', 'Export the model again, and check that the whole file was copied.'),
  MODEL_INVALID: bad('{path}: {where}: {problem}', 'Run `slipway inspect` on the model; fix or re-export it.'),
  MODEL_LIMIT: bad('{path}: {problem}, more than the limit of {limit}', 'If the model is genuine, raise the limit named in docs/reference/limits.md.'),
  TOKENIZER_INVALID: bad('{path}: not a usable tokenizer: {problem}', 'Export it again as tokenizer.json; see docs/guides/transforms.md for what is supported.'),
  EXTERNAL_DATA: bad('{path}: tensor "{tensor}": external data {problem}', 'External data must be a regular file inside the folder of the model, and hold all the bytes the model names.'),
  UNSUPPORTED_OPERATOR: bad('{where}: operator {operator} is not supported: {problem}', 'Re-export with operators that ONNX Runtime implements, or exclude the node from the pass.'),
  UNSUPPORTED_OPSET: bad('{path}: opset {opset} of domain "{domain}" is not supported (newest known: {newest})', 'Export the model with an older opset.'),
  PASS_NOT_APPLICABLE: row('Pass {pass} cannot be applied: {problem}', 422, 'FAILED_PRECONDITION', EXIT.error, 'Remove the pass from the recipe, or change its options.'),
  PASS_BROKEN: row('Pass {pass} breaks the model: {problem}', 422, 'FAILED_PRECONDITION', EXIT.error, 'Leave the layers it names out of the pass with `exclude`, change the options of the pass, or remove it from the recipe; see docs/guides/parity.md.'),

  // Store and releases
  MANIFEST_INVALID: bad('{path}: {problem}', 'slipway.json is written by `slipway build`: build the model again, or copy the whole directory again.'),
  ALIAS_INVALID: bad('"{alias}" is not an alias: {problem}', 'Use lower-case letters and digits with . _ - between them, at least one letter, for example champion.', 400, EXIT.usage),
  RELEASE_ALIASED: row('{reference} has the alias "{alias}"', 409, 'FAILED_PRECONDITION', EXIT.conflict, 'Point the alias at another release, or take it off, and try again.'),
  RELEASE_NOT_FOUND: row('No release "{reference}" in {store}', 404, 'NOT_FOUND', EXIT.notFound, 'Run `slipway releases` to see what there is, or `slipway build` to make one.'),
  STORE_EMPTY: row('There are no releases in {store} yet', 404, 'NOT_FOUND', EXIT.notFound, 'Make one with `slipway build`; another store is named with --store.'),
  REFERENCE_INVALID: bad('"{reference}" is not a release reference: {problem}', 'Write NAME, NAME:VERSION, NAME@ALIAS or sha256:DIGEST.', 400, EXIT.usage),
  STORE_CORRUPT: row('{path}: {problem}', 500, 'INTERNAL', EXIT.error, 'Restore the file from another copy of the store, or rebuild the release.'),
  STORE_LOCKED: row('{path} is locked by process {pid} on {host} since {since}', 409, 'ABORTED', EXIT.conflict, 'Wait for that command to finish. A lock whose process is gone is taken over by itself.'),
  DIGEST_MISMATCH: row('{path}: digest is {actual}, expected {expected}', 500, 'INTERNAL', EXIT.error, 'The file was changed or damaged. Get it again from where it came.'),
  METRIC_FAILED: bad('The metric "{metric}" cannot be measured: {problem}', 'Fix the function of the metric; see docs/guides/metrics.md for what it is given and must return.'),
  RECIPES_FAILED: row('None of the recipes could be made or run, so nothing was released; the first: {problem}', 422, 'FAILED_PRECONDITION', EXIT.error, 'Repair or remove the pass it names. Without a recipe the model is released as it is.'),
  GATE_FAILED: row('No candidate passed the gates: {problem}', 422, 'FAILED_PRECONDITION', EXIT.gateFailed, 'Open the report to see what each candidate measured; relax a gate or change the recipe.'),
  GOLDEN_MISMATCH: row('{model}: golden sample {sample}, output "{output}": {problem}', 503, 'FAILED_PRECONDITION', EXIT.gateFailed, 'The release does not compute here what it computed when it was built: rebuild it on this kind of machine, or fetch it again.'),

  // Bundles
  HOST_UNSUPPORTED: row('{model} was optimized for {required}, and this machine has {found}', 503, 'FAILED_PRECONDITION', EXIT.error, 'Build the release on this kind of machine with this version of Slipway, or without the pass `optimize` above level `basic`.'),
  PLATFORM_UNSUPPORTED: row('A bundle for {platform} cannot be made here; this is {host}', 501, 'UNIMPLEMENTED', EXIT.usage, 'Run `slipway bundle` on a Linux machine of that platform: a bundle holds the Node.js that makes it.'),
  OUTPUT_EXISTS: row('{path} is not empty', 409, 'ALREADY_EXISTS', EXIT.conflict, 'Choose another directory, or remove this one.'),

  // Requests
  MODEL_NOT_FOUND: row('Model "{model}" is not served here', 404, 'NOT_FOUND', EXIT.notFound, 'Ask POST /v2/repository/index or `slipway status` for what is served.'),
  VERSION_NOT_FOUND: row('Model "{model}" has no version {version} here', 404, 'NOT_FOUND', EXIT.notFound, 'Leave the version out for the newest, or ask for the status of the model.'),
  ROUTE_NOT_FOUND: row('{method} {path}: no such route', 404, 'NOT_FOUND', EXIT.notFound, 'See docs/reference/protocols.md for what is answered.'),
  METHOD_NOT_ALLOWED: row('{method} is not allowed for {path}', 405, 'UNIMPLEMENTED', EXIT.error, 'Use {allowed}.'),
  NOT_IMPLEMENTED: row('{problem}', 501, 'UNIMPLEMENTED', EXIT.error, 'See docs/reference/protocols.md for what is answered.'),
  REQUEST_MALFORMED: bad('{problem}', 'Fix the request body; see docs/reference/protocols.md.'),
  CLIENT_REFUSED: row('This server does not let clients {action}', 403, 'PERMISSION_DENIED', EXIT.auth, 'Start it with {option} to allow it.'),
  SHARED_MEMORY: bad('Shared memory region "{region}": {problem}', 'Register the region again once its object is there and large enough, or send the tensor in the request.'),
  TENSOR_INVALID: bad('{where}: {problem}', 'Ask for the metadata of the model to see its inputs.'),
  BODY_TOO_LARGE: row('The body is larger than {limit} bytes', 413, 'RESOURCE_EXHAUSTED', EXIT.error, 'Send fewer rows at once, use binary tensors, or raise --max-body-bytes.'),
  MEDIA_TYPE_UNSUPPORTED: bad('{problem}', 'Send JSON, or tensors in one of the forms of docs/guides/content-types.md.', 415),
  NOT_ACCEPTABLE: bad('The answer cannot be {accept}; it can be {offered}', 'Leave the header Accept out for JSON, or ask for one of these.', 406),
  REQUEST_TIMEOUT: row('The request was not received within {seconds} s', 408, 'DEADLINE_EXCEEDED', EXIT.timeout, 'Send the body without pauses.'),
  EXPECTATION_UNKNOWN: bad('The expectation "{expectation}" is not known', 'Send Expect: 100-continue, or no Expect header.', 417),
  HEADERS_TOO_LARGE: bad('{problem}', 'Send fewer or shorter headers.', 431),
  QUEUE_FULL: row('The queue of model "{model}" is full ({rows} rows)', 429, 'RESOURCE_EXHAUSTED', EXIT.error, 'Retry after the time given in Retry-After; add runners or raise the queue bound.'),
  OVERLOADED: row('Model "{model}" cannot answer within {milliseconds} ms now: too much waits before it', 429, 'RESOURCE_EXHAUSTED', EXIT.error, 'Retry after the time given in Retry-After, allow more time, or add runners.'),
  SERVER_BUSY: row('The server is receiving more than it can hold', 503, 'RESOURCE_EXHAUSTED', EXIT.error, 'Send the request again later, or spread the load over more replicas.'),
  DEADLINE_EXCEEDED: row('The request for model "{model}" did not finish within {milliseconds} ms', 504, 'DEADLINE_EXCEEDED', EXIT.timeout, 'Allow more time, send fewer rows, or add capacity.'),
  CANCELLED: row('The client closed the request', 499, 'CANCELLED', EXIT.interrupted, 'Nothing to do.'),

  // Runners and server
  RUNNER_LOST: row('The runner of "{model}" ended while the request was executing ({reason})', 503, 'UNAVAILABLE', EXIT.error, 'Send the request again; the runner restarts by itself.'),
  RUNNER_GONE: row('The runner of "{model}" ended before the request reached it ({reason})', 503, 'UNAVAILABLE', EXIT.error, 'Send the request again; nothing of it had been executed, and the runner restarts by itself.'),
  RUNNER_START_FAILED: row('The runner of "{model}" did not start: {problem}', 503, 'UNAVAILABLE', EXIT.error, 'Run `slipway doctor`; see the log of the server for what the runner printed.'),
  INFERENCE_FAILED: row('The engine failed on model "{model}": {problem}', 500, 'INTERNAL', EXIT.error, 'If the inputs fit the signature, the model itself fails on them: try them with `slipway predict`.'),
  TRANSFORM_FAILED: row('The transforms of the request could not be done: {problem}', 500, 'INTERNAL', EXIT.error, 'Send its rows one by one to find the one that does it, and make that smaller.'),
  NOT_READY: row('Model "{model}" is {state}', 503, 'UNAVAILABLE', EXIT.error, 'Wait until it is ready; /v2/health/ready tells.'),
  MODEL_UNAVAILABLE: row('Model "{model}" is not available: {problem}', 503, 'UNAVAILABLE', EXIT.error, 'Put a good version in its place, it is loaded by itself; the log of the server says more.'),
  CONTROL_CONFLICT: row('Model "{model}": {problem}', 409, 'ABORTED', EXIT.conflict, 'Ask for the state of the model, and send the request again if it is still wanted.'),
  LABEL_UNAVAILABLE: row('The label "{label}" cannot point at version {version} of model "{model}": {problem}', 409, 'FAILED_PRECONDITION', EXIT.conflict, 'Point it at a version that is served; add the version first, and wait until it is ready.'),
  MEMORY_EXCEEDED: row('Model "{model}" does not fit: it needs about {needed} MiB and {free} MiB of the {budget} MiB budget are free', 507, 'RESOURCE_EXHAUSTED', EXIT.error, 'Unload a model, raise --memory-budget, or let the old version go first with --swap resource.'),
  DRAINING: row('The server is shutting down', 503, 'UNAVAILABLE', EXIT.error, 'Send the request to another replica.'),
  TLS_INVALID: bad('{path}: {problem}', 'Give a certificate (with its chain) and its private key as PEM files, the key without a passphrase; see docs/guides/tls.md.', 400, EXIT.usage),
  SOURCE_UNREADABLE: row('{source}: {problem}', 502, 'UNAVAILABLE', EXIT.error, 'Check the address, the credentials and the network; it is tried again by itself, and what is loaded stays.'),
  PORT_IN_USE: row('{address}: the port is in use', 500, 'FAILED_PRECONDITION', EXIT.conflict, 'Stop the other process, or choose another port (0 picks a free one).'),
  UNREACHABLE: row('Cannot reach a Slipway server at {url}: {problem}', 502, 'UNAVAILABLE', EXIT.error, 'Start one with `slipway serve`, or check the address.'),
  PROVIDER_UNAVAILABLE: row('{model}: the execution provider "{provider}" cannot be used: {problem}', 503, 'FAILED_PRECONDITION', EXIT.error, 'Name a provider that is there, or none for the CPU.'),
  SESSION_INVALID: bad('{model}: {problem}', 'See docs/guides/scheduling.md for what a session can be given.'),
  ENGINE_UNAVAILABLE: row('The engine {engine} cannot be loaded: {problem}', 500, 'FAILED_PRECONDITION', EXIT.error, 'Run `slipway doctor` to see what this machine lacks.'),
  INTERNAL: row('Internal error: {problem}', 500, 'INTERNAL', EXIT.error, 'This is a defect of Slipway: please report it with the request id and the log lines.'),
} satisfies Record<string, ErrorDefinition>);

export type ErrorCode = keyof typeof errorTable;

type Placeholders<M extends string> = M extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

/** The parameters the message (and the remedy, see METHOD_NOT_ALLOWED) of an error asks for. */
export type ErrorParams<C extends ErrorCode> = Record<
  Placeholders<(typeof errorTable)[C]['message']>,
  string | number
> &
  Record<string, string | number>;

/** An error as it crosses a process boundary or is printed with `--json`. */
export interface WireError {
  readonly code: ErrorCode;
  readonly params: Readonly<Record<string, string | number>>;
}

const fill = (template: string, params: Readonly<Record<string, string | number>>): string =>
  template.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(params, name) ? String(params[name]) : whole));

export class SlipwayError extends Error {
  override readonly name: string = 'SlipwayError';
  readonly code: ErrorCode;
  readonly params: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, params: Readonly<Record<string, string | number>>, options?: { cause?: unknown }) {
    super(fill(errorTable[code].message, params), options);
    this.code = code;
    this.params = params;
  }

  get definition(): ErrorDefinition {
    return errorTable[this.code];
  }
  get httpStatus(): number {
    return this.definition.http;
  }
  get exitCode(): number {
    return this.definition.exit;
  }
  /** What the user can do about it. */
  get remedy(): string {
    return fill(this.definition.remedy, this.params);
  }
  toWire(): WireError {
    return { code: this.code, params: this.params };
  }
}

/** Make (not throw) the error `code`: `throw fail('FILE_NOT_FOUND', { path })`. */
export function fail<C extends ErrorCode>(
  code: C,
  params: ErrorParams<C>,
  options?: { cause?: unknown },
): SlipwayError {
  return new SlipwayError(code, params, options);
}

/** The error a `toWire` of this or another version of Slipway stands for. */
export function fromWire(wire: WireError): SlipwayError {
  if (Object.hasOwn(errorTable, wire.code)) return new SlipwayError(wire.code, wire.params);
  return new SlipwayError('INTERNAL', { problem: `unknown error code ${wire.code}`, ...wire.params });
}

/** Any thrown value as a SlipwayError: what is not one already is a defect of ours, and says so. */
export function asSlipwayError(error: unknown): SlipwayError {
  if (error instanceof SlipwayError) return error;
  const problem = error instanceof Error ? error.message : String(error);
  return new SlipwayError('INTERNAL', { problem }, { cause: error });
}

/** True when `error` carries `code`; works for errors of another realm or process, which have lost their class. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

/** The system errors a file operation of ours can meet, as our errors. */
export function fromSystemError(error: unknown, path: string, action: string): SlipwayError {
  if (error instanceof SlipwayError) return error;
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const problem = error instanceof Error ? error.message : String(error);
  switch (code) {
    case 'ENOENT':
      return fail('FILE_NOT_FOUND', { path }, { cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return fail('DISK_FULL', { path, action }, { cause: error });
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return action.startsWith('read')
        ? fail('FILE_UNREADABLE', { path, problem }, { cause: error })
        : fail('READ_ONLY', { path, problem }, { cause: error });
    default:
      return fail('FILE_UNREADABLE', { path, problem: `${problem} while ${action}` }, { cause: error });
  }
}
