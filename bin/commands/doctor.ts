import { type Config, loadConfig } from '../../core/config.ts';
import { ConfigError } from '../../core/config-error.ts';
import { type Command, parseOptions } from '../command.ts';
import { type Check, type Finding, ok, problem, runChecks, warn } from '../doctor/finding.ts';
import { keyCheck } from '../doctor/key-check.ts';
import { directoryCheck, diskCheck, nodeCheck, portCheck } from '../doctor/machine-checks.ts';
import { serversCheck } from '../doctor/server-checks.ts';
import {
  clockCheck,
  databaseCheck,
  openExamination,
  qdrantCheck,
  redisCheck,
} from '../doctor/store-checks.ts';
import { findLiveServer } from '../server-announcement.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Checks versions, stores, model servers, port, clock, disk and keys, and says what to do',
  options: [{ usage: '--json', description: 'prints the findings as JSON' }],
  async run(args) {
    const { json } = parseOptions('doctor', args, { json: { type: 'boolean' } });
    const findings = await runChecks(await chooseChecks());
    const isWell = findings.every(({ status }) => status !== 'problem');
    console.log(json ? JSON.stringify({ ok: isWell, findings }, null, 2) : toText(findings));
    // What a check has left behind, such as a connection that hangs, must not keep the process.
    process.exitCode = isWell ? 0 : 1;
    setTimeout(() => process.exit(), 500).unref();
  },
};

async function chooseChecks(): Promise<Check[]> {
  const { config, check } = readConfig();
  if (!config) return [nodeCheck, check];
  const server = config.databaseUrl === undefined ? await findLiveServer(config.dataDir) : null;
  const examined = openExamination(config, server);
  // Each check that needs it says what is wrong.
  examined.catch(() => {});
  return [
    nodeCheck,
    check,
    directoryCheck(config, server),
    diskCheck(config),
    portCheck(config, server),
    databaseCheck(config, examined, server),
    redisCheck(config),
    qdrantCheck(config),
    clockCheck(examined),
    serversCheck(config, server),
    keyCheck(config, examined, server),
  ];
}

function readConfig(): { config: Config | null; check: Check } {
  const name = 'configuration';
  try {
    const config = loadConfig();
    const notices = config.notices.map((notice) => warn(notice, 'Take it out.'));
    return { config, check: { name, run: async () => [ok('it can be read'), ...notices] } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.map((text) => problem(text, 'Correct it; the other checks need it.'));
    return { config: null, check: { name, run: async () => problems } };
  }
}

const MARKS = { ok: 'ok     ', warn: 'warn   ', problem: 'PROBLEM' } as const;

function toText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ status, check, found, cure }) => [
    `${MARKS[status]}  ${check.padEnd(width)}  ${found}`,
    ...(cure === undefined ? [] : [`${' '.repeat(width + 11)}-> ${cure}`]),
  ]);
  const count = (wanted: Finding['status']) => findings.filter(({ status }) => status === wanted).length;
  const counted = (wanted: Finding['status'], word: string) =>
    `${count(wanted)} ${word}${count(wanted) === 1 ? '' : 's'}`;
  return [
    ...lines,
    '',
    `${count('ok')} ok, ${counted('warn', 'warning')}, ${counted('problem', 'problem')}`,
  ].join('\n');
}
