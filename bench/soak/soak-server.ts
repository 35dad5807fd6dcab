// A program, forked: the simulated model server on the port that its argument names. A message sets its fault.
import { argv } from 'node:process';
import { createDemoServer } from '../../servers/demo/demo-server.ts';
import type { FaultName } from '../../servers/demo/faults.ts';
import { SOAK_MODEL } from './soak-calls.ts';

const server = createDemoServer({
  port: Number(argv[2]),
  models: [{ id: SOAK_MODEL }],
  pacing: { firstTokenMs: 20, tokenMs: 2 },
});
await server.start();
process.on('message', ({ fault }: { fault?: FaultName }) => server.setFault(fault));
// Ctrl-C goes to all; the soak ends its servers itself.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
