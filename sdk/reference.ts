// References to what a run will know, as objects: they print as `${{ … }}` in texts and JSON, and as bare CEL in `cel`.

/**
 * A CEL expression that gives a T. Its members are references to T's members; where T is not known, any name is one.
 * In a text it prints as `${{ … }}`; as the whole of a JSON value it gives the typed value.
 */
export type Reference<T = unknown> = Expression &
  (unknown extends T
    ? { readonly [name: string]: Reference }
    : T extends readonly (infer Item)[]
      ? { readonly [index: number]: Reference<Item> }
      : T extends object
        ? { readonly [Name in keyof T]-?: Reference<NonNullable<T[Name]>> }
        : unknown);

/** Any reference, whatever it gives. */
export interface Expression {
  toString(): string;
}

const sources = new WeakMap<object, string>();
const IDENTIFIER = /^[A-Za-z_]\w*$/;

/** A reference to what `source`, CEL, gives. */
export function reference<T>(source: string): Reference<T> {
  const print = () => `\${{ ${source} }}`;
  const proxy = new Proxy(
    {},
    {
      get(_, name) {
        if (name === 'toString' || name === 'toJSON' || name === Symbol.toPrimitive) return print;
        // A promise is known by its `then`; a reference is none.
        if (typeof name === 'symbol' || name === 'then') return undefined;
        return reference(source + member(name));
      },
    },
  );
  sources.set(proxy, source);
  return proxy as Reference<T>;
}

/**
 * CEL with values in it: references as they are, everything else as a literal.
 * cel`${draft.output.score} > ${3} && ${kind} in ["a", "b"]`
 */
export function cel<T = unknown>(texts: TemplateStringsArray, ...values: unknown[]): Reference<T> {
  return reference(texts.reduce((all, text, at) => `${all}${toLiteral(values[at - 1])}${text}`));
}

/** The CEL of a reference, or of a text that is CEL already. */
export function sourceOf(expression: Expression | string): string {
  if (typeof expression === 'string') return expression;
  const source = sources.get(expression);
  if (source === undefined) throw new TypeError('Neither a reference nor CEL.');
  return source;
}

export function isReference(value: unknown): value is Expression {
  return typeof value === 'object' && value !== null && sources.has(value);
}

/** `.name`, `["a name"]` or `[0]`. */
export function member(name: string): string {
  if (IDENTIFIER.test(name)) return `.${name}`;
  return /^\d+$/.test(name) ? `[${name}]` : `[${JSON.stringify(name)}]`;
}

function toLiteral(value: unknown): string {
  if (isReference(value)) return sourceOf(value);
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError('CEL takes references and JSON values.');
  return text;
}
