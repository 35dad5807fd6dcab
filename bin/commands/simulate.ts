import { createDemoServer } from '../../servers/demo/demo-server.ts';
import { FAULT_NAMES, type FaultName, isFaultName } from '../../servers/demo/faults.ts';
import { type Command, parseOptions, UsageError } from '../command.ts';

const DEFAULT_PORT = 9_100;

export const simulate: Command = {
  name: 'simulate',
  summary: 'A simulated model server for trials, tests and benchmarks, with pacing and faults to order',
  options: [
    { usage: '--port <port>', description: `where it listens on 127.0.0.1 [${DEFAULT_PORT}]` },
    { usage: '--models <id>[,<id>]', description: "the models it lists [the demo's]" },
    { usage: '--protocol openai|ollama', description: 'whose listing routes it answers [openai]' },
    { usage: '--first-token-ms <ms>', description: 'before the first token [0]' },
    { usage: '--token-ms <ms>', description: 'between two tokens [0]' },
    { usage: '--tokens <count>', description: 'the exact length of each answer' },
    {
      usage: '--fault <fault>',
      description: 'what goes wrong on every call; a model named sim:<fault> does so by itself:',
    },
    ...FAULT_NAMES.map(({ name, about }) => ({ usage: `    ${name}`, description: about })),
    {
      usage: 'model names',
      description:
        'sim:first=50+token=20+tokens=100 and sim:stall+first=10 set pace, length and fault for a call',
    },
  ],
  async run(args) {
    const options = parseOptions('simulate', args, {
      port: { type: 'string' },
      models: { type: 'string' },
      protocol: { type: 'string' },
      'first-token-ms': { type: 'string' },
      'token-ms': { type: 'string' },
      tokens: { type: 'string' },
      fault: { type: 'string' },
    });
    const server = createDemoServer({
      port: wholeNumber('port', options.port, 65_535) ?? DEFAULT_PORT,
      models: options.models?.split(',').map((id) => ({ id: id.trim() })),
      protocol: protocolOf(options.protocol),
      pacing: {
        firstTokenMs: wholeNumber('first-token-ms', options['first-token-ms'], 3_600_000) ?? 0,
        tokenMs: wholeNumber('token-ms', options['token-ms'], 3_600_000) ?? 0,
      },
      tokens: wholeNumber('tokens', options.tokens, 1_000_000),
      fault: faultOf(options.fault),
      simModels: true,
    });
    await server.start();
    console.log(`The simulated model server is ready at ${server.url} (its OpenAI routes: ${server.url}/v1)`);
    await new Promise<void>((resolve) => {
      process.once('SIGTERM', resolve);
      process.once('SIGINT', resolve);
    });
    await server.stop();
  },
};

function wholeNumber(name: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= max) return value;
  throw new UsageError(`--${name} takes a whole number from 0 to ${max}, not "${text}".`);
}

function protocolOf(text: string | undefined): 'openai' | 'ollama' | undefined {
  if (text === undefined || text === 'openai' || text === 'ollama') return text;
  throw new UsageError(`--protocol takes openai or ollama, not "${text}".`);
}

function faultOf(text: string | undefined): FaultName | undefined {
  if (text === undefined || isFaultName(text)) return text;
  throw new UsageError(`There is no fault "${text}". See citadel simulate --help.`);
}
