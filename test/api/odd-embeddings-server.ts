import { type ScriptedServer, sendJson, startScriptedServer } from '../support/scripted-server.ts';

export const ODD_VECTORS = [
  [0.5, -2, 0.25],
  [1, 2, 3],
];
/** `ODD_VECTORS` as base64 of little-endian float32. */
export const ODD_BASE64 = ['AAAAPwAAAMAAAIA+', 'AACAPwAAAEAAAEBA'];

const item = (embedding: unknown, index: number) => ({ object: 'embedding', index, embedding });

const DATA: Record<string, object[]> = {
  'floats-embed': ODD_VECTORS.map(item),
  'base64-embed': ODD_BASE64.map(item),
  'shuffled-embed': ODD_VECTORS.map(item).reverse(),
  'bare-embed': ODD_VECTORS.map((embedding) => ({ embedding })),
};

export const ODD_MODELS = Object.keys(DATA);

/** A model server whose answers depend on the model only, whatever encoding was asked for. */
export function startOddEmbeddingsServer(): Promise<ScriptedServer> {
  return startScriptedServer({
    '/v1/models': (res) => sendJson(res, { object: 'list', data: ODD_MODELS.map((id) => ({ id })) }),
    '/v1/embeddings': (res, { body }) => {
      const { model } = JSON.parse(body);
      sendJson(res, {
        object: 'list',
        data: DATA[model],
        model,
        usage: { prompt_tokens: 2, total_tokens: 2 },
      });
    },
  });
}
