import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CONFIG_HELP } from '../../core/config-schema.ts';
import { describeWith, type Service } from '../support/services.ts';
import { isCommand, listFiles, ROOT, read } from './repository.ts';

const FOLDER = 'deploy/systemd/';
const UNITS = listFiles(FOLDER).filter((name) => /\.(service|target)$/.test(name));
const SERVICES = UNITS.filter((name) => name.endsWith('.service'));
const PROGRAM = '/opt/citadel/node_modules/.bin/node';
/** From the signal to the end, whatever hangs (bin/run-process.ts). */
const EXIT_LIMIT_SECONDS = 24.5;
const EXPOSURE_MAX = '15';

const systemd: Service = {
  name: 'systemd-analyze',
  isInstalled: spawnSync('systemd-analyze', ['--version']).status === 0,
  install: 'apt-get install systemd',
};

/** The lines `Name=value` of a unit, in their order. */
function settingsOf(unit: string): [name: string, value: string][] {
  const lines = read(FOLDER + unit).split('\n');
  return lines
    .filter((line) => /^\w+=/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
}

const settingOf = (unit: string, name: string) => settingsOf(unit).find(([one]) => one === name)?.[1];

describe('the units for systemd', () => {
  test.each(SERVICES)('%s starts a command that there is, and may end it in peace', (unit) => {
    const [program, ...args] = settingOf(unit, 'ExecStart')?.split(' ') ?? [];
    const command = args.slice(args.indexOf('bin/citadel.mjs') + 1);

    expect(program).toBe(PROGRAM);
    expect(isCommand(command[0] ?? '')).toBe(true);
    expect(Number(settingOf(unit, 'TimeoutStopSec'))).toBeGreaterThan(EXIT_LIMIT_SECONDS + 0.5);
    expect(settingOf(unit, 'ExecReload')).toBe('kill -HUP $MAINPID');
    expect(settingOf(unit, 'KillMode')).toBe('mixed');
    expect(settingOf(unit, 'Restart')).toBe('on-failure');
  });

  test('give each process the same rights', () => {
    const own = ['Description', 'PartOf', 'Conflicts', 'EnvironmentFile', 'ExecStart', 'WantedBy'];
    const [first, ...others] = SERVICES.map((unit) =>
      settingsOf(unit).filter(([name]) => !own.includes(name)),
    );

    expect(first?.length).toBeGreaterThan(40);
    for (const other of others) expect(other).toEqual(first);
  });

  test('the target starts units that there are', () => {
    const wanted = settingsOf('citadel.target')
      .filter(([name]) => name === 'Wants')
      .flatMap(([, value]) => value.split(' '));

    expect(wanted.length).toBe(4);
    expect(wanted.map((unit) => unit.replace(/@.*\./, '@.')).filter((unit) => !UNITS.includes(unit))).toEqual(
      [],
    );
  });

  test('the settings that come with them are settings', () => {
    const names = [...read(`${FOLDER}citadel.env.example`).matchAll(/^#?([A-Z_]+)=/gm)].map(
      ([, name]) => name,
    );

    expect(names.length).toBeGreaterThan(4);
    expect(names.filter((name) => !CONFIG_HELP.some((known) => known.name === name))).toEqual([]);
  });
});

describeWith(systemd, 'systemd itself', () => {
  test('finds nothing wrong with the units', () => {
    const directory = mkdtempSync(join(tmpdir(), 'citadel-units-'));
    for (const unit of UNITS) {
      writeFileSync(join(directory, unit), read(FOLDER + unit).replaceAll(PROGRAM, process.execPath));
    }
    const names = UNITS.map((unit) => join(directory, unit.replace('@.', '@lightweight.')));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--no-pager', ...names], {
      encoding: 'utf8',
    });

    // It speaks of the machine's own units too.
    const ours = stderr.split('\n').filter((line) => line.includes('citadel'));
    expect({ status, ours }).toEqual({ status: 0, ours: [] });
  });

  test.each(SERVICES)('finds %s exposed by 1.5 of 10 at most', (unit) => {
    const args = ['security', '--offline=yes', '--no-pager', `--threshold=${EXPOSURE_MAX}`];
    const { status, stdout } = spawnSync('systemd-analyze', [...args, join(ROOT, FOLDER, unit)], {
      encoding: 'utf8',
    });

    expect({ status, exposure: stdout.split('\n').find((line) => line.includes('Overall')) }).toEqual({
      status: 0,
      exposure: expect.stringMatching(/: [01]\.\d OK/),
    });
  });
});

/** What is below a directory: names, sizes and contents, apart from the program. */
function contentOf(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => !name.startsWith('opt/') && statSync(join(directory, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(directory, name), 'utf8')]));
}

describe('the install script', () => {
  const install = (...args: string[]) =>
    execFileSync('bash', [join(ROOT, FOLDER, 'install.sh'), ...args], { encoding: 'utf8' });

  test('says in a dry run what it would do, and does nothing', () => {
    const directory = mkdtempSync(join(tmpdir(), 'citadel-install-'));
    const said = install('--root', directory, '--dry-run');

    expect(said.split('\n').filter((line) => line.startsWith('installs '))).toHaveLength(1 + UNITS.length);
    expect(said).toContain('nothing was changed');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('installs program, settings and units, and the second time changes nothing', () => {
    const directory = mkdtempSync(join(tmpdir(), 'citadel-install-'));
    install('--root', directory);
    const settings = join(directory, 'etc/citadel/citadel.env');
    writeFileSync(settings, 'PORT=9000\n');
    const before = contentOf(directory);
    const said = install('--root', directory);

    expect(said).toBe('Everything is as it should be; nothing was changed.\n');
    expect(contentOf(directory)).toEqual(before);
    expect(Object.keys(before).sort()).toEqual(
      ['etc/citadel/citadel.env', ...UNITS.map((unit) => `etc/systemd/system/${unit}`)].sort(),
    );
    expect(statSync(settings).mode & 0o007).toBe(0);
    expect(readdirSync(join(directory, 'opt/citadel'))).not.toContain('test');
  });

  test('puts back a unit that was changed, and leaves the settings', () => {
    const directory = mkdtempSync(join(tmpdir(), 'citadel-install-'));
    install('--root', directory);
    const unit = join(directory, 'etc/systemd/system/citadel.service');
    const settings = join(directory, 'etc/citadel/citadel.env');
    writeFileSync(unit, '[Service]\n');
    writeFileSync(settings, 'PORT=9000\n');
    install('--root', directory);

    expect(readFileSync(unit, 'utf8')).toBe(read(`${FOLDER}citadel.service`));
    expect(readFileSync(settings, 'utf8')).toBe('PORT=9000\n');
  });

  test('refuses what it does not know', () => {
    const { status, stderr } = spawnSync('bash', [join(ROOT, FOLDER, 'install.sh'), '--what'], {
      encoding: 'utf8',
    });

    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('Usage:') });
  });
});
