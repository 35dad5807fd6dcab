import { isFinal } from './decide-ending.ts';
import type { RunDraft } from './run-draft.ts';
import type { EngineEvent } from './run-state.ts';

type Signal = Extract<EngineEvent, { type: 'signal' }>;

/** Gives the signal to the step that has waited longest for one of its name, or keeps it until one does. */
export function takeSignal(draft: RunDraft, event: Signal): void {
  const { id, name, payload } = event;
  if (draft.kept.some((kept) => kept.id === id)) return;
  if (isFinal(draft.facts.status)) {
    draft.fence(event);
    return;
  }
  const key = listenerOf(draft, name);
  draft.emit('signal.received', key, { name });
  if (key === null) {
    draft.keep({ id, name, payload });
    return;
  }
  draft.consume(id);
  draft.succeed(key, payload);
}

function listenerOf({ table }: RunDraft, name: string): string | null {
  if (table.listening.has(name)) return name;
  for (const key of table.listening) {
    const waits = table.get(key)?.waits;
    if (waits?.for === 'signal' && waits.name === name) return key;
  }
  return null;
}
