/**
 * `grpc.health.v1.Health`: of the server as a whole (the empty name) and of each service it speaks. All are as ready as the
 * models are. https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
import { type Clock, fail } from '@slipway/core';
import type { Call, Methods } from '../grpc/method.ts';
import { ProtoReader } from '../grpc/reader.ts';
import { ProtoWriter } from '../grpc/writer.ts';

const HEALTH_SERVICE = 'grpc.health.v1.Health';

/** HealthCheckResponse.ServingStatus. */
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

/** How often a watched status is looked at. */
const WATCH_MS = 500;

export function healthMethods(models: { readonly ready: boolean }, services: readonly string[], clock: Clock): Methods {
  const known = new Set(['', HEALTH_SERVICE, ...services]);
  const status = (): number => (models.ready ? SERVING : NOT_SERVING);
  return {
    [`/${HEALTH_SERVICE}/Check`]: {
      kind: 'unary',
      handle(call, bytes) {
        const service = readService(bytes);
        if (known.has(service)) call.reply(response(status()));
        else {
          const error = fail('ROUTE_NOT_FOUND', { method: 'service', path: service.slice(0, 100) });
          call.fail(error, 'NOT_FOUND', 'unknown service');
        }
      },
    },
    [`/${HEALTH_SERVICE}/Watch`]: {
      kind: 'unary',
      handle(call, bytes) {
        const service = readService(bytes);
        watch(call, known.has(service) ? status : () => SERVICE_UNKNOWN, clock);
      },
    },
  };
}

/** The status now, and each time it changes, until the client or the server goes away. */
function watch(call: Call, status: () => number, clock: Clock): void {
  let last = 0;
  let stop: () => void = () => undefined;
  const look = (): void => {
    const current = status();
    if (current !== last) call.send(response((last = current)));
    stop = clock.after(WATCH_MS, look);
  };
  look();
  call.onClose(() => stop());
  call.onDrain(() => {
    stop();
    if (last === SERVING) call.send(response(NOT_SERVING));
    call.fail(fail('DRAINING', {}));
  });
}

const response = (status: number): ProtoWriter => new ProtoWriter().int(1, status);

function readService(bytes: Buffer): string {
  const reader = new ProtoReader(bytes);
  let service = '';
  while (reader.next()) {
    if (reader.field === 1) service = reader.string();
    else reader.skip();
  }
  return service;
}
