import { maskSecrets } from '../../core/mask-secrets.ts';
import { withinLimit } from '../../core/time-limit.ts';

/** What a check has found, and for anything but `ok` what to do. */
export interface Finding {
  check: string;
  status: 'ok' | 'warn' | 'problem';
  found: string;
  cure?: string;
}

export interface Check {
  name: string;
  /** Findings without their check's name. What it throws is a problem. */
  run(): Promise<Omit<Finding, 'check'>[]>;
}

/** No check takes longer. */
const CHECK_LIMIT_MS = 15_000;

export const ok = (found: string) => ({ status: 'ok', found }) as const;
export const warn = (found: string, cure: string) => ({ status: 'warn', found, cure }) as const;
export const problem = (found: string, cure: string) => ({ status: 'problem', found, cure }) as const;

/** Runs all checks at once, and gives what they found in their order, without secrets. Never throws. */
export async function runChecks(checks: readonly Check[], limitMs = CHECK_LIMIT_MS): Promise<Finding[]> {
  return (await Promise.all(checks.map((check) => runCheck(check, limitMs)))).flat();
}

async function runCheck({ name, run }: Check, limitMs: number): Promise<Finding[]> {
  const findings = await withinLimit(run(), limitMs, 'It was not done').catch((error) => [
    problem(
      `could not be checked: ${(error as Error).message}`,
      'Cure what it says, and run citadel doctor again.',
    ),
  ]);
  return findings.map((finding) => ({
    check: name,
    ...finding,
    found: maskSecrets(finding.found),
  }));
}
