import { describe, expect, onTestFinished, test } from 'vitest';
import { fail, tensor } from '@slipway/core';
import { modelFile, relu, temporaryFile } from './testing/tiny-onnx.ts';
import { virtualClock } from './testing/virtual-clock.ts';
import type { Runner, RunnerExit, RunnerOptions } from './runner.ts';
import { type Supervision, superviseRunner } from './supervise.ts';

const OPTIONS: RunnerOptions = { model: 'tiny', path: '/model.onnx', session: {} };
const KILLED: RunnerExit = { reason: 'killed', detail: 'signal SIGKILL' };

/** Runners that start at once, or as `outcomes` say, and end when told. */
function scene(outcomes: (() => Promise<void>)[] = [], supervision: Partial<Supervision> = {}) {
  const clock = virtualClock();
  const runners: { end: (exit: RunnerExit) => void; runner: Runner }[] = [];
  const log: string[] = [];
  const start = async (options: RunnerOptions): Promise<Runner> => {
    await outcomes.shift()?.();
    options.signal?.throwIfAborted();
    let end: (exit: RunnerExit) => void = () => undefined;
    const exited = new Promise<RunnerExit>((resolve) => (end = resolve));
    const runner = {
      pid: runners.length,
      exited,
      stop: async () => end({ reason: 'stopped', detail: '' }),
    } as unknown as Runner;
    runners.push({ end, runner });
    return runner;
  };
  const supervisor = superviseRunner(OPTIONS, {
    clock,
    start,
    jitter: () => 0,
    onEvent: ({ state, exit }) =>
      log.push(`${clock.now()} ${state.kind}${exit === null ? '' : ` after ${exit.reason}`}`),
    ...supervision,
  });
  return { clock, runners, log, supervisor };
}

describe('supervision, on virtual time', () => {
  test('restarts at once after a single crash', async () => {
    const { clock, runners, log, supervisor } = scene();
    await clock.advance(5000);
    runners[0]!.end(KILLED);
    await clock.advance(0);
    expect(supervisor.state).toMatchObject({ kind: 'ready', runner: { pid: 1 } });
    expect(log).toEqual(['0 ready', '5000 starting after killed', '5000 ready']);
  });

  test('being ready for a while ends a row', async () => {
    const { clock, runners, log, supervisor } = scene([], { giveUpAfter: 2 });
    for (let index = 0; index < 5; index++) {
      await clock.advance(1000);
      runners[index]!.end(KILLED);
      await clock.advance(0);
    }
    expect(supervisor.state.kind).toBe('ready');
    expect(log.filter((line) => line.endsWith('starting after killed'))).toHaveLength(5);
    runners[5]!.end(KILLED);
    await clock.advance(0);
    expect(supervisor.state.kind).toBe('failed');
  });

  test('doubles the delay within a row and fails with the last reason', async () => {
    const dies = () => Promise.reject(fail('RUNNER_START_FAILED', { model: 'tiny', problem: 'no luck' }));
    const { clock, log, supervisor } = scene(
      Array.from({ length: 20 }, () => dies),
      { giveUpAfter: 6 },
    );
    const ready = supervisor.ready();
    ready.catch(() => undefined);
    await clock.advance(60_000);
    expect(log).toEqual([
      '0 starting',
      '0 backing-off',
      '100 starting',
      '100 backing-off',
      '300 starting',
      '300 backing-off',
      '700 starting',
      '700 backing-off',
      '1500 starting',
      '1500 failed',
    ]);
    await expect(ready).rejects.toThrow('it ended 6 times in a row, last: no luck');
    await expect(supervisor.ready()).rejects.toMatchObject({ code: 'RUNNER_START_FAILED' });
  });

  test('tries again when asked', async () => {
    const dies = () => Promise.reject(fail('MODEL_FORMAT', { path: '/m', problem: 'broken' }));
    const { clock, log, supervisor } = scene([dies]);
    await clock.advance(60_000);
    supervisor.restart();
    await clock.advance(0);
    expect(log).toEqual(['0 failed', '60000 starting', '60000 ready']);
    supervisor.restart();
    expect(supervisor.state.kind).toBe('ready');
  });

  test('never exceeds the longest delay, and spreads delays', async () => {
    const dies = () => Promise.reject(fail('RUNNER_START_FAILED', { model: 'tiny', problem: 'no luck' }));
    const delays: number[] = [];
    const { clock } = scene(
      Array.from({ length: 20 }, () => dies),
      {
        giveUpAfter: 20,
        maxDelayMs: 1000,
        jitter: () => 1,
        onEvent: ({ state }) => state.kind === 'backing-off' && delays.push(state.delayMs),
      },
    );
    await clock.advance(60_000);
    expect(delays.slice(0, 6)).toEqual([75, 150, 300, 600, 750, 750]);
  });

  test('stops in every state', async () => {
    const never = () => new Promise<void>(() => undefined);
    const ready = scene();
    await ready.clock.advance(0);
    await ready.supervisor.stop();
    expect(await ready.runners[0]!.runner.exited).toMatchObject({ reason: 'stopped' });

    let begin: () => void = () => undefined;
    const starting = scene([() => new Promise((resolve) => (begin = resolve))]);
    const waiter = starting.supervisor.ready();
    const stopping = starting.supervisor.stop();
    await expect(waiter).rejects.toMatchObject({ code: 'RUNNER_GONE' });
    begin();
    await stopping;
    expect(starting.runners).toEqual([]);

    const dies = () => Promise.reject(fail('RUNNER_START_FAILED', { model: 'tiny', problem: 'no luck' }));
    const backing = scene([dies, dies, never]);
    await backing.clock.advance(0);
    expect(backing.supervisor.state.kind).toBe('backing-off');
    await backing.supervisor.stop();
    await backing.clock.advance(60_000);
    expect(backing.log.at(-1)).toBe('0 stopped');
  });
});

describe('supervision of real processes', () => {
  const inputs = { x: tensor('float32', [1, 3], Float32Array.of(-1, 0, 1)) };

  test('a killed runner is replaced, and what had not begun can be sent again', async () => {
    const keepAlive = setInterval(() => undefined, 1000);
    onTestFinished(() => clearInterval(keepAlive));
    const supervisor = superviseRunner({ ...OPTIONS, path: modelFile(relu) });
    for (let round = 0; round < 3; round++) {
      const runner = await supervisor.ready();
      process.kill(runner.pid, 'SIGKILL');
      const first = await runner.run(inputs).catch((error: unknown) => error as { code: string });
      if ('code' in first) expect(['RUNNER_LOST', 'RUNNER_GONE']).toContain(first.code);
      await runner.exited;
      const next = await supervisor.ready();
      expect(next.pid).not.toBe(runner.pid);
      expect((await next.run(inputs))['y']?.data).toEqual(Float32Array.of(0, 0, 1));
    }
    await supervisor.stop();
    expect(supervisor.state.kind).toBe('stopped');
  });

  test('a model that cannot be loaded is not tried again', async () => {
    const supervisor = superviseRunner({ ...OPTIONS, path: temporaryFile('not a model') });
    await expect(supervisor.ready()).rejects.toMatchObject({ code: 'MODEL_FORMAT' });
    expect(supervisor.state.kind).toBe('failed');
    await supervisor.stop();
  });
});
