const SHOWN_CHARS_MAX = 500_000;
const SHOWN_HEADERS = /^(x-|retry-after|location|openai-|idempotent)/;

/** A form that sends a request of the operation, and shows the answer as it comes. */
export function createTryForm(parts, { method, path, operation }) {
  const { make, description, keyOf } = parts;
  const parameters = operation.parameters.map((parameter) => {
    const { name, in: place, required, schema } = resolveParameter(description, parameter);
    return { name, place, field: createField(make, name, schema, required) };
  });
  const body = createBody(parts, operation);
  const answer = make('pre', { hidden: '', tabindex: '0', 'aria-live': 'polite' });
  const stop = make('button', { type: 'button', text: 'Stop', hidden: '' });
  const form = make('form', {}, [
    ...parameters.map(({ field }) => field.node),
    ...body.nodes,
    make('button', { type: 'submit', text: 'Send' }),
    stop,
    answer,
  ]);
  let sending;
  stop.addEventListener('click', () => sending?.abort());
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    sending?.abort();
    const mine = new AbortController();
    sending = mine;
    stop.hidden = false;
    await showAnswer(answer, () =>
      send({ method, path, parameters, body, key: keyOf(), signal: mine.signal }),
    );
    if (sending === mine) stop.hidden = true;
  });
  return form;
}

/** The request that the form's fields come to. */
export function toRequest({ method, path, parameters, body, key, signal }) {
  const given = parameters.filter(({ field }) => field.value() !== '');
  const of = (place) => given.filter((parameter) => parameter.place === place);
  const url = of('path').reduce(
    (text, { name, field }) => text.replace(`{${name}}`, encodeURIComponent(field.value())),
    path,
  );
  const query = new URLSearchParams(of('query').map(({ name, field }) => [name, field.value()]));
  const headers = Object.fromEntries(of('header').map(({ name, field }) => [name, field.value()]));
  if (key) headers.authorization = `Bearer ${key}`;
  const content = body.value();
  if (body.media) headers['content-type'] = body.media;
  return [
    query.size > 0 ? `${url}?${query}` : url,
    { method: method.toUpperCase(), headers, signal, ...(content ? { body: content } : {}) },
  ];
}

const send = (request) => fetch(...toRequest(request));

async function showAnswer(node, ask) {
  node.hidden = false;
  node.textContent = '…';
  const startedMs = performance.now();
  try {
    const response = await ask();
    const headers = [...response.headers].filter(([name]) => SHOWN_HEADERS.test(name));
    const head = [
      `${response.status} ${response.statusText}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
    ];
    node.textContent = `${head.join('\n')}\n\n`;
    await appendBody(node, response);
    node.append(`\n\n${Math.round(performance.now() - startedMs)} ms`);
  } catch (error) {
    node.append(`\n${error.name === 'AbortError' ? 'Stopped.' : error.message}`);
  }
}

async function appendBody(node, response) {
  if (response.headers.get('content-type')?.startsWith('application/json')) {
    const text = await response.text();
    node.append(cut(indent(text)));
    return;
  }
  let left = SHOWN_CHARS_MAX;
  const decoder = new TextDecoder();
  for await (const part of response.body ?? []) {
    const text = decoder.decode(part, { stream: true });
    if (left > 0) node.append(text.slice(0, left));
    left -= text.length;
  }
}

const cut = (text) => (text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)} …` : text);

function indent(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function resolveParameter({ components }, parameter) {
  return parameter.$ref ? components.parameters[parameter.$ref.split('/').at(-1)] : parameter;
}

function createField(make, name, schema, isRequired) {
  const label = `${name}${isRequired ? ' (required)' : ''}`;
  const control = schema.enum
    ? make(
        'select',
        {},
        ['', ...schema.enum].map((value) => make('option', { value, text: value })),
      )
    : make('input', { type: 'text', spellcheck: 'false', ...(isRequired ? { required: '' } : {}) });
  return { node: make('label', { text: label }, [control]), value: () => control.value };
}

/** The fields of a body: JSON as text, or files and fields. */
function createBody({ make, schemas }, { requestBody }) {
  const [media, { schema } = {}] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  if (media === undefined) return { nodes: [], media: null, value: () => null };
  if (media === 'multipart/form-data') return createUpload(make, schemas.resolve(schema));
  const text = make('textarea', {
    spellcheck: 'false',
    text: JSON.stringify(schemas.sampleOf(schema), null, 2),
  });
  return { nodes: [make('label', { text: `Body (${media})` }, [text])], media, value: () => text.value };
}

function createUpload(make, { properties }) {
  const controls = Object.entries(properties).map(([name, { type }]) => ({
    name,
    control: make('input', type === 'array' ? { type: 'file', multiple: '' } : { type: 'text' }),
  }));
  return {
    nodes: controls.map(({ name, control }) => make('label', { text: name }, [control])),
    // The browser says where the parts end.
    media: null,
    value() {
      const form = new FormData();
      for (const { name, control } of controls) {
        if (control.files) for (const file of control.files) form.append(name, file);
        else if (control.value !== '') form.append(name, control.value);
      }
      return form;
    },
  };
}
