import { type FaultName, isFaultName } from './faults.ts';

/** What a model does differently from its server. */
export interface Behaviour {
  fault?: FaultName;
  firstTokenMs?: number;
  tokenMs?: number;
  /** The exact length of its answers. */
  tokens?: number;
}

const SIM_PREFIX = 'sim:';
const OPTIONS = {
  first: { field: 'firstTokenMs', max: 3_600_000 },
  token: { field: 'tokenMs', max: 3_600_000 },
  tokens: { field: 'tokens', max: 100_000 },
} as const;

/**
 * Reads a model name such as `sim:hang` or `sim:stall+first=50+token=20+tokens=100` (ms, ms, count; whole numbers, in
 * any order, at most one fault). undefined when `name` is not of this form.
 */
export function parseSimName(name: string): Behaviour | undefined {
  if (!name.startsWith(SIM_PREFIX)) return undefined;
  const behaviour: Behaviour = {};
  for (const piece of name.slice(SIM_PREFIX.length).split('+')) {
    const added = parsePiece(piece);
    if (added === undefined || Object.keys(added).some((field) => field in behaviour)) return undefined;
    Object.assign(behaviour, added);
  }
  return behaviour;
}

function parsePiece(piece: string): Behaviour | undefined {
  if (isFaultName(piece)) return { fault: piece };
  const [, option = '', digits] = /^(first|token|tokens)=(\d{1,7})$/.exec(piece) ?? [];
  if (!Object.hasOwn(OPTIONS, option)) return undefined;
  const { field, max } = OPTIONS[option as keyof typeof OPTIONS];
  const value = Number(digits);
  return value <= max ? { [field]: value } : undefined;
}
