import { expect, it } from 'vitest';
import { createLogger } from './log.ts';

it('writes one JSON document per line, with time and level as words, and never what is secret', () => {
  const lines: string[] = [];
  const logger = createLogger('info', { write: (line) => void lines.push(line) });
  logger.info({ event: 'one', token: 'abc', headers: { authorization: 'Bearer abc', accept: '*/*' } }, 'two\nlines');
  logger.debug('not written at this level');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^[^\n]+\n$/);
  expect(lines[0]).not.toContain('abc');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    pid: process.pid,
    event: 'one',
    headers: { accept: '*/*' },
    msg: 'two\nlines',
  });
});
