// Writes the golden histories anew: `node test/workflows/record-golden.ts`. What has changed then is to be read.
import { writeFileSync } from 'node:fs';
import { SCENARIOS } from './golden-scenarios.ts';
import { play } from './run-player.ts';

for (const { name, definition, input, act } of SCENARIOS) {
  const player = play(definition, input);
  act(player);
  const golden = JSON.stringify({ definition, input, history: player.history }, null, 1);
  writeFileSync(new URL(`golden/${name}.json`, import.meta.url), `${golden}\n`);
}
