#!/usr/bin/env -S node --max-semi-space-size=16
// Node's own choice is half of memory larger than this and no faster; half of this, and what 64 calls have in flight no
// longer fits: it goes to the old space, which is then marked all the time (a quarter of the processor time of a call).
//
// Plain JavaScript, so that a Node too old for the rest can still say so.
import module from 'node:module';
import { dirname } from 'node:path';

const { enableCompileCache } = module;
const OLDEST_NODE = [22, 18];

const [major, minor] = process.versions.node.split('.').map(Number);
if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) {
  // Half of a warm start is compiling: what was compiled once is kept in the system's temporary folder.
  const { directory } = enableCompileCache?.() ?? {};
  // Threads learn of it from the environment alone.
  if (directory) process.env.NODE_COMPILE_CACHE ??= dirname(directory);
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
} else {
  console.error(
    `This is Node ${process.version}; Citadel runs on ${OLDEST_NODE.join('.')} or newer and brings its own.\n` +
      'Start it with "npm start", and other commands with "npm run citadel -- <command>".',
  );
  process.exit(1);
}
