import { describe, expect, test } from '@jest/globals';
import { newInboxId, newRequestId } from '../../core/ids.ts';
import type { ModelJob } from '../../jobs/model-job.ts';
import { streamsUpstream, toUpstreamBody } from '../../workers/upstream-request.ts';

function jobWith(fields: Partial<ModelJob>): ModelJob {
  return {
    requestId: newRequestId(),
    keyName: null,
    endpoint: 'chat/completions',
    model: 'm',
    modelClass: 'lightweight',
    priority: 'normal',
    maxWaitMs: null,
    stream: false,
    includeUsage: false,
    wholeOnly: false,
    replyTo: newInboxId(),
    body: '{}',
    ...fields,
  };
}

describe('the request that a server gets', () => {
  test.each([
    [{ endpoint: 'chat/completions' }, true],
    [{ endpoint: 'completions' }, true],
    [{ endpoint: 'embeddings', wholeOnly: true }, false],
    [{ endpoint: 'embeddings' }, false],
    [{ endpoint: 'completions', wholeOnly: true }, false],
  ] as const)('is for a stream wherever the server can: %j', (fields, expected) => {
    expect(streamsUpstream(jobWith(fields))).toBe(expected);
  });

  test.each([
    ['it is answered whole', { wholeOnly: true }],
    ['it asks for embeddings', { endpoint: 'embeddings' }],
    ['the caller streams with usage', { stream: true, includeUsage: true }],
  ] as const)("is the caller's byte for byte where %s", (_, fields) => {
    const body = '{ "seed": 12345678901234567890, "stream_options": {"include_usage": true} }';

    expect(toUpstreamBody(jobWith({ ...fields, body }))).toBe(body);
  });

  test.each([
    [
      '{"seed":12345678901234567890}',
      '{"seed":12345678901234567890,"stream":true,"stream_options":{"include_usage":true}}',
    ],
    ['{"stream": false, "n":1.0}', '{"stream": true, "n":1.0,"stream_options":{"include_usage":true}}'],
    ['{"stream":null,"stream_options":null}', '{"stream":true,"stream_options":{"include_usage":true}}'],
    [
      '{"stream_options":{"include_usage":false,"vendor":[1]},"stream":true}',
      '{"stream_options":{"include_usage":true,"vendor":[1]},"stream":true}',
    ],
  ])('asks for a stream with usage and changes nothing else: %s', (body, expected) => {
    expect(toUpstreamBody(jobWith({ body }))).toBe(expected);
  });

  test.each([
    ['{"model":"fast","n":1}', '{"model":"phi3","n":1}'],
    [
      '{ "mod\\u0065l" : "fast", "seed":12345678901234567890}',
      '{ "mod\\u0065l" : "phi3", "seed":12345678901234567890}',
    ],
    ['{"model":"x","model":"fast"}', '{"model":"phi3"}'],
  ])('names the model where the caller named an alias: %s', (body, expected) => {
    const job = jobWith({ model: 'phi3', alias: 'fast', wholeOnly: true, body });

    expect(toUpstreamBody(job)).toBe(expected);
  });

  test('asks for the usage that a streaming caller did not ask for', () => {
    const body = '{"stream":true}';

    expect(toUpstreamBody(jobWith({ body, stream: true }))).toBe(
      '{"stream":true,"stream_options":{"include_usage":true}}',
    );
  });
});
