#!/usr/bin/env -S node --max-semi-space-size=8
// Keeps Node from filling 32 MB with what is dead. `npm start` takes 16 MB: one process that is API and worker has more
// in flight than 8 hold, and what does not fit is marked and swept all the time (a quarter of a call's processor time).
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
