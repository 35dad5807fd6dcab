const DEPTH_MAX = 6;

/** Shows JSON Schemas, and makes samples of them. */
export function createSchemas(make, description) {
  return { show: (schema) => showSchema(schema, 0), sampleOf: (schema) => sampleOf(schema, 0), resolve };

  /** What a reference stands for, or the schema itself. */
  function resolve(schema) {
    const name = schema?.$ref?.split('/').at(-1);
    return name === undefined ? (schema ?? {}) : (description.components.schemas[name] ?? {});
  }

  function showSchema(schema, depth) {
    const { properties, required = [], items } = resolve(schema);
    if (items && !properties) return showSchema(items, depth + 1);
    if (!properties || depth > DEPTH_MAX) return make('span', { class: 'note', text: typeOf(schema) });
    const rows = Object.entries(properties).map(([name, property]) =>
      showProperty(name, property, required.includes(name), depth),
    );
    return make('ul', { class: 'schema' }, rows);
  }

  function showProperty(name, property, isRequired, depth) {
    const { description: about = property.description ?? '' } = resolve(property);
    const head = [
      make('code', { text: name }),
      make('span', { text: `: ${typeOf(property)}${isRequired ? ', required' : ''} ` }),
      make('span', { class: 'note', text: about }),
    ];
    const inner = innerOf(property);
    if (!inner || depth >= DEPTH_MAX) return make('li', {}, head);
    const more = make('details', {}, [make('summary', {}, head)]);
    more.addEventListener('toggle', () => {
      if (more.open && more.children.length === 1) more.append(showSchema(inner, depth + 1));
    });
    return make('li', {}, [more]);
  }

  /** The part of a schema that has fields of its own. */
  function innerOf(schema) {
    const resolved = resolve(schema);
    if (resolved.properties) return resolved;
    if (resolved.items) return innerOf(resolved.items);
    return (resolved.anyOf ?? []).map(innerOf).find((inner) => inner !== undefined);
  }

  function typeOf(schema) {
    const { type, anyOf, enum: values, items, const: only, format } = resolve(schema);
    if (only !== undefined) return JSON.stringify(only);
    if (values) return values.map((value) => JSON.stringify(value)).join(' | ');
    if (anyOf) return anyOf.map(typeOf).join(' | ');
    if (type === 'array') return `list of ${typeOf(items)}`;
    return [type ?? 'any', format].flat().filter(Boolean).join(' ');
  }

  /** A value with the fields that the schema demands. */
  function sampleOf(schema, depth) {
    const resolved = resolve(schema);
    const { type, properties = {}, required = [], items, anyOf, enum: values, minimum } = resolved;
    if (resolved.default !== undefined) return resolved.default;
    if (values) return values[0];
    if (anyOf) return sampleOf(anyOf[0], depth);
    if (type === 'object' && depth < DEPTH_MAX) {
      return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name], depth + 1)]));
    }
    if (type === 'array') return depth < DEPTH_MAX ? [sampleOf(items, depth + 1)] : [];
    if (type === 'integer' || type === 'number') return minimum ?? 1;
    if (type === 'boolean') return false;
    return type === 'string' ? '' : {};
  }
}
