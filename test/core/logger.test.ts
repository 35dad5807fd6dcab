import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import { createLogger, type LogLevel } from '../../core/logger.ts';

function setup(options: { level?: LogLevel; pretty?: boolean } = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    level: options.level ?? 'info',
    pretty: options.pretty ?? false,
    destination: { write: (line) => lines.push(line) },
  });
  return { logger, lines, records: () => lines.map((line) => JSON.parse(line)) };
}

describe('a logger', () => {
  test('writes one JSON line with level, time, message and fields', () => {
    const { logger, lines, records } = setup();

    logger.info('ready at 100%d', { port: 8002, host: '127.0.0.1', demo: true, gone: undefined, none: null });

    expect(lines[0]?.endsWith('}\n')).toBe(true);
    expect(records()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        pid: process.pid,
        message: 'ready at 100%d',
        port: 8002,
        host: '127.0.0.1',
        demo: true,
        none: null,
      },
    ]);
  });

  test('leaves out what is below its level', () => {
    const { logger, records } = setup({ level: 'warn' });

    logger.info('no');
    logger.warn('yes');
    logger.child({ part: 'x' }).debug('no');

    expect(records().map(({ message }) => message)).toEqual(['yes']);
  });

  test('another level holds at once, for children that were there too', () => {
    const { logger, records } = setup({ level: 'warn' });
    const child = logger.child({ part: 'x' });

    logger.setLevel('debug');
    child.debug('from now on');
    logger.setLevel('silent');
    child.fatal('no');

    expect(records()).toMatchObject([{ level: 'debug', message: 'from now on', part: 'x' }]);
  });

  test('silent writes nothing', () => {
    const { logger, lines } = setup({ level: 'silent' });

    logger.fatal('no');

    expect(lines).toEqual([]);
  });

  test('a child adds its fields and its parent stays as it was', () => {
    const { logger, records } = setup();

    logger.child({ worker: 'w1' }).child({ job: 'j1' }).info('taken');
    logger.info('plain');

    expect(records()).toMatchObject([{ worker: 'w1', job: 'j1' }, { message: 'plain' }]);
    expect(records()[1]).not.toHaveProperty('worker');
  });

  test('a field cannot stand in for the level, time, pid or message of a line', () => {
    const { logger, records } = setup();

    logger.info('real', { message: 'forged', level: 'fatal' });

    expect(records()).toMatchObject([
      { level: 'info', message: 'real', message_: 'forged', level_: 'fatal' },
    ]);
  });

  test('an error keeps its type, code and stack, and at most three causes', () => {
    const { logger, records } = setup();
    const deepest = new Error('five');
    const cause = [4, 3, 2].reduce((inner, at) => new Error(`cause ${at}`, { cause: inner }), deepest);

    logger.error('failed', { err: new AppError('bad_backend', 'one', { cause }) });

    const { err } = records()[0];
    expect(err).toMatchObject({ type: 'AppError', message: 'one', code: 'bad_backend' });
    expect(err.stack).toContain('logger.test.ts');
    expect(err.cause.cause.cause).toMatchObject({ type: 'Error', message: 'cause 4' });
    expect(err.cause.cause.cause).not.toHaveProperty('cause');
  });

  test('a long text is cut at 2 000 characters', () => {
    const { logger, records } = setup();

    logger.info('long', { text: 'x'.repeat(5_000) });

    expect(records()[0].text).toBe(`${'x'.repeat(2_000)}… (5000 characters)`);
  });

  test('secrets are masked in the message, in fields and in errors, also where the cut falls into one', () => {
    const { logger, lines } = setup();
    const secret = 'hunter2hunter2';

    logger.info(`redis://user:${secret}@host`, {
      header: `Bearer ${secret}`,
      late: `${'x'.repeat(1_980)} redis://u:${secret}@h`,
      err: new Error(`connect redis://:${secret}@host:6379 failed`, { cause: `postgres://a:${secret}@b` }),
    });

    expect(lines.join('')).not.toContain('hunter2');
    expect(lines.join('')).toContain('redis://user:***@host');
  });
});

describe('a pretty logger', () => {
  test('writes a short line with the fields and the stack of an error below it', () => {
    const { logger, lines } = setup({ pretty: true });

    logger.warn('server left', { server: 'gpu1', reason: 'no answer', tries: 3, err: new TypeError('bad') });

    const [line = '', ...rest] = lines.join('').split('\n');
    expect(line).toMatch(
      /^\d\d:\d\d:\d\d WARN {2}server left {2}server=gpu1 {2}reason="no answer" {2}tries=3 {2}err=bad$/,
    );
    expect(rest[0]).toBe('    TypeError: bad');
    expect(rest.length).toBeGreaterThan(2);
  });

  test('does not pass on escape sequences and line breaks that a caller sent', () => {
    const { logger, lines } = setup({ pretty: true });

    logger.info('model \u001b[2J\nFATAL', { model: 'x\u009b2J\n' });

    expect(lines.join('')).toMatch(/model \\x1b\[2J\\x0aFATAL {2}model="x\\x9b2J\\n"\n$/);
  });
});

describe('a logger without a destination', () => {
  test('writes JSON to stderr, all of it before an exit, and nothing to stdout', () => {
    const script = `
      import { createLogger } from '${new URL('../../core/logger.ts', import.meta.url)}';
      const logger = createLogger({ level: 'info' });
      for (let line = 1; line <= 2000; line += 1) logger.info('line', { line });
      process.exit(3);`;

    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    });

    expect({ status: run.status, stdout: run.stdout }).toEqual({ status: 3, stdout: '' });
    const lines = run.stderr.trim().split('\n');
    expect(lines).toHaveLength(2_000);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ message: 'line', line: 2_000 });
  });
});
