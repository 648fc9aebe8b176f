/** Log settings: they are what the logger does, both ways, and only what it can do. */
import { createLogger } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { LogSettings } from './log-settings.ts';

const set = (entries: Record<string, string | number | boolean>) => new Map(Object.entries(entries));
const all = { log_file: '', log_format: 'default', log_info: true, log_warning: true, log_error: true };

describe('log settings', () => {
  it.each([
    ['trace', { ...all, log_verbose_level: 2 }],
    ['debug', { ...all, log_verbose_level: 1 }],
    ['info', { ...all, log_verbose_level: 0 }],
    ['warn', { ...all, log_verbose_level: 0, log_info: false }],
    ['error', { ...all, log_verbose_level: 0, log_info: false, log_warning: false }],
    ['silent', { ...all, log_verbose_level: 0, log_info: false, log_warning: false, log_error: false }],
  ] as const)('of the level %s, and back', (level, document) => {
    const logger = createLogger(level);
    const settings = new LogSettings(logger, true);
    expect(settings.document).toEqual(document);
    logger.level = 'error';
    expect(settings.update(set(document))).toEqual(document);
    expect(logger.level).toBe(level);
  });

  it('change the level that is logged at once', () => {
    const lines: string[] = [];
    const logger = createLogger('info', { write: (line) => void lines.push(line) });
    const settings = new LogSettings(logger, true);
    logger.debug('no');
    settings.update(set({ log_verbose_level: 1 }));
    logger.debug('yes');
    settings.update(set({ log_verbose_level: 0, log_info: false }));
    logger.info('no');
    logger.warn('also');
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['yes', 'also']);
  });

  it('switch on what is graver, too', () => {
    const logger = createLogger('silent');
    const document = new LogSettings(logger, true).update(set({ log_verbose_level: 1 }));
    expect(document).toEqual({ ...all, log_verbose_level: 1 });
  });

  it.each([
    [{ log_warning: false }, 'log_info without log_warning is not possible'],
    [{ log_error: false, log_info: true }, 'log_info without log_error is not possible'],
    [{ log_info: false, log_verbose_level: 1 }, 'log_verbose_level without log_info is not possible'],
    [{ log_verbose_level: -1 }, 'must be a whole number'],
    [{ log_verbose_level: '1' }, 'log_verbose_level must be a number'],
    [{ log_file: '/tmp/x' }, 'log_file cannot be changed'],
    [{ log_format: 'ISO8601' }, 'log_format cannot be changed'],
    [{ log_colour: true }, '"log_colour" is not known'],
  ])('refuse %o, and change nothing', (entries, problem) => {
    const logger = createLogger('info');
    const settings = new LogSettings(logger, true);
    expect(() => settings.update(set(entries))).toThrow(problem);
    expect(logger.level).toBe('info');
  });

  it('are only read unless changes were allowed', () => {
    const settings = new LogSettings(createLogger('info'), false);
    expect(settings.document.log_info).toBe(true);
    expect(() => settings.update(set({ log_verbose_level: 1 }))).toThrow('does not let clients change its settings');
  });
});
