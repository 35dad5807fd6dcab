import { describe, expect, test } from '@jest/globals';
import { discoverServers, type IdentifyServer } from '../../servers/discovery.ts';
import { registrationOf } from './registration.ts';

const SIGNAL = new AbortController().signal;

/** Says what answers at these ports, and notes every origin that it was asked about. */
function setup(answers: Record<number, Awaited<ReturnType<IdentifyServer>> | Error>) {
  const asked: string[] = [];
  const identify: IdentifyServer = async (origin) => {
    asked.push(origin);
    const answer = answers[Number(new URL(origin).port)] ?? null;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { asked, identify };
}

describe('the look for model servers', () => {
  test('asks the usual ports, on loopback only', async () => {
    const { asked, identify } = setup({});

    expect(await discoverServers(identify, new Set(), SIGNAL)).toEqual([]);

    expect(asked).toEqual([11_434, 8_000, 8_080, 1_234].map((port) => `http://127.0.0.1:${port}`));
  });

  test('finds what answers, as a registration with every default', async () => {
    const { identify } = setup({
      11434: { protocol: 'ollama', product: 'Ollama' },
      8000: { protocol: 'openai', product: 'vLLM' },
    });

    expect(await discoverServers(identify, new Set(), SIGNAL)).toEqual([
      { registration: registrationOf('ollama', { port: 11_434, protocol: 'ollama' }), product: 'Ollama' },
      { registration: registrationOf('vllm', { port: 8_000 }), product: 'vLLM' },
    ]);
  });

  test('does not knock at the ports that are taken', async () => {
    const { asked, identify } = setup({});

    await discoverServers(identify, new Set([11_434, 8_080]), SIGNAL);

    expect(asked).toEqual(['http://127.0.0.1:8000', 'http://127.0.0.1:1234']);
  });

  test('goes on when one port cannot be read', async () => {
    const { identify } = setup({
      11434: new Error('reset'),
      1234: { protocol: 'openai', product: 'LM Studio' },
    });

    const found = await discoverServers(identify, new Set(), SIGNAL);

    expect(found.map(({ product }) => product)).toEqual(['LM Studio']);
  });
});
