// The page at /docs: shows /openapi.json, and lets one try it. Every text goes in by textContent, none as markup.
import { element } from './element.js';
import { createSchemas } from './schemas.js';
import { createTryForm } from './try-form.js';

if (globalThis.document) start(globalThis.document);

async function start(page) {
  const root = page.getElementById('docs');
  try {
    const response = await fetch('/openapi.json');
    if (!response.ok) throw new Error(`/openapi.json answered ${response.status}`);
    showDescription(page, root, await response.json());
  } catch (error) {
    root.replaceChildren(
      element(page, 'p', { class: 'bad', text: `This page could not be made: ${error.message}` }),
    );
  }
}

/** Puts the description into `root`. */
export function showDescription(page, root, description) {
  const make = (...parts) => element(page, ...parts);
  const key = make('input', { type: 'password', autocomplete: 'off', spellcheck: 'false' });
  const filter = make('input', { type: 'search', placeholder: 'path, name or word' });
  const parts = {
    page,
    make,
    description,
    schemas: createSchemas(make, description),
    keyOf: () => key.value.trim(),
  };
  const sections = description.tags.map((tag) => createSection(parts, tag));
  filter.addEventListener('input', () => {
    for (const section of sections) section.show(filter.value.trim().toLowerCase());
  });

  root.replaceChildren(
    make('h1', { text: `${description.info.title} ${description.info.version}` }),
    make('p', { class: 'lead', text: description.info.description }),
    make('div', { class: 'tools' }, [
      make('label', { text: 'API key (kept in this page only)' }, [key]),
      make('label', { text: 'Show' }, [filter]),
    ]),
    ...sections.map(({ node }) => node),
  );
}

function createSection(parts, tag) {
  const { make, description } = parts;
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(tag.name))
      .map(([method, operation]) => createOperation(parts, { method, path, operation })),
  );
  const node = make('section', {}, [
    make('h2', { text: tag.name }),
    make('p', { class: 'note', text: tag.description }),
    ...operations.map((operation) => operation.node),
  ]);
  return {
    node,
    show(word) {
      for (const { node: one, words } of operations) one.hidden = !words.includes(word);
      node.hidden = operations.every(({ node: one }) => one.hidden);
    },
  };
}

function createOperation(parts, { method, path, operation }) {
  const { make } = parts;
  const node = make('details', { class: 'operation', id: operation.operationId }, [
    make('summary', {}, [
      make('span', { class: 'method', text: method.toUpperCase() }),
      make('code', { class: 'path', text: path }),
      make('span', { class: 'note', text: operation.summary }),
    ]),
  ]);
  // What is inside is made when it is looked at: there are a hundred of them.
  node.addEventListener('toggle', () => {
    if (node.open && node.children.length === 1)
      node.append(createInside(parts, { method, path, operation }));
  });
  return { node, words: `${method} ${path} ${operation.operationId} ${operation.summary}`.toLowerCase() };
}

function createInside(parts, { method, path, operation }) {
  const { make, schemas } = parts;
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  return make('div', { class: 'inside' }, [
    make('p', { text: operation.description ?? '' }),
    make('p', { class: 'note', text: callerOf(operation) }),
    ...bodies.flatMap(([media, { schema }]) => [
      make('h3', { text: `Body: ${media}` }),
      schemas.show(schema),
    ]),
    make('h3', { text: 'Answers' }),
    make(
      'ul',
      { class: 'schema' },
      Object.entries(operation.responses).map((entry) => createAnswer(parts, entry)),
    ),
    make('h3', { text: 'Try it' }),
    createTryForm(parts, { method, path, operation }),
  ]);
}

function callerOf(operation) {
  if (operation.security?.length === 0) return 'Open: needs no key.';
  return operation['x-citadel-role'] === 'admin' ? 'Needs a key of role admin.' : 'Needs a key.';
}

function createAnswer({ make, schemas }, [status, answer]) {
  const isGood = status.startsWith('2');
  const [media, content] = Object.entries(answer.content ?? {})[0] ?? [];
  return make('li', {}, [
    make('code', { text: status }),
    make('span', { text: ` ${answer.description} ` }),
    ...(isGood && media ? [make('span', { class: 'note', text: media }), schemas.show(content.schema)] : []),
  ]);
}
