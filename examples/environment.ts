import { type Client, createClient } from '../sdk/client.ts';

/** What every example needs of its surroundings: `CITADEL_URL`, `CITADEL_API_KEY` and `CITADEL_MODEL`, all optional. */
export interface Surroundings {
  client: Client;
  /** The demo model, unless told. */
  model: string;
  say(line: string): void;
}

/** Runs an example against the Citadel of the environment; what goes wrong is one line. */
export async function runExample(example: (surroundings: Surroundings) => Promise<unknown>): Promise<void> {
  const {
    CITADEL_URL: baseUrl,
    CITADEL_API_KEY: apiKey,
    CITADEL_MODEL: model = 'citadel-demo',
  } = process.env;
  try {
    await example({ client: createClient({ baseUrl, apiKey }), model, say: (line) => console.log(line) });
  } catch (error) {
    console.error(`${(error as Error).message}\nIs Citadel there? "npm start" starts one with a demo model.`);
    process.exitCode = 1;
  }
}
