/** The state of a running server, for people. */
import type { ServedModelStatus, ServedVersionStatus, ServerStatus } from '@slipway/core';
import type { Style } from '../frame/style.ts';
import { table } from '../frame/table.ts';
import { bytes, count } from '../frame/units.ts';

export function renderStatus(status: ServerStatus, url: string, style: Style): string {
  const state = status.draining
    ? style.yellow('draining')
    : status.ready
      ? style.green('ready')
      : style.yellow('not ready');
  const head = `${style.bold('slipway')} ${status.version} at ${url}: ${state}, up ${duration(status.uptimeSeconds)}, process ${status.pid}, ${bytes(status.rssBytes)}, ${memoryOf(status)} of ${bytes(status.memoryBudgetBytes)}`;
  const where = `requests: ${[status.listening.http, status.listening.grpc === null ? null : `gRPC ${status.listening.grpc}`].filter((each) => each !== null).join(', ')}`;
  if (status.models.length === 0) return `${head}\n${where}\nNothing is served.`;
  const rows = status.models.flatMap((model) => [
    ...(model.versions.length === 0 ? [[style.bold(model.name), stateOfModel(model, style), ...BLANKS]] : []),
    ...model.versions.map((version) => [
      style.bold(`${model.name}:${version.version}`),
      stateOf(version, style),
      version.labels.map((label) => `@${label}`).join(' '),
      count(version.requests['ok'] ?? 0),
      count(failures(version)),
      count(version.queuedRows),
      String(version.restarts),
      version.runners
        .map((runner) => `${runner.pid}${runner.rssBytes === null ? '' : ` ${bytes(runner.rssBytes)}`}`)
        .join(', '),
    ]),
  ]);
  const right = { align: 'right' } as const;
  return `${head}\n${where}\n\n${table(
    [
      { title: 'model' },
      { title: 'state', shrinks: true },
      { title: 'labels' },
      { title: 'ok', ...right },
      { title: 'failed', ...right },
      { title: 'queued', ...right },
      { title: 'restarts', ...right },
      { title: 'runner' },
    ],
    rows,
    style,
  )}`;
}

/** Of the columns after the state. */
const BLANKS: readonly string[] = ['', '', '', '', '', ''];

function memoryOf({ rssBytes, models }: ServerStatus): string {
  const runners = models.flatMap(({ versions }) => versions.flatMap((version) => version.runners));
  return `with runners ${bytes(runners.reduce((sum, runner) => sum + (runner.rssBytes ?? 0), rssBytes))}`;
}

/** A model of which no version was looked at. */
function stateOfModel({ problem }: ServedModelStatus, style: Style): string {
  return problem === null ? 'no version yet' : style.red(problem);
}

function stateOf(version: ServedVersionStatus, style: Style): string {
  const state = version.state === 'ready' ? style.green(version.state) : version.state;
  return version.reason === null ? state : `${state}: ${version.reason}`;
}

const failures = ({ requests }: ServedVersionStatus): number =>
  Object.entries(requests).reduce((sum, [outcome, times]) => sum + (outcome === 'ok' ? 0 : times), 0);

/** `3 d 4 h`, `2 h 5 min`, `42 s` */
function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}
