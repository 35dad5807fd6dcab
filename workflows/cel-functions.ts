// What an expression may call, by name and number of arguments. Left out of what the library has: everything with a
// time zone (it asks ICU, 80 µs a call), and getDayOfYear (it counts in the time zone of the process).

/** Macros that run their last arguments once for each item, with the first one as the item's name. */
export const COMPREHENSIONS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);

/** Global functions → how many arguments. */
const FUNCTIONS = {
  has: [1],
  size: [1],
  string: [1],
  int: [1],
  uint: [1],
  double: [1],
  bool: [1],
  bytes: [1],
  dyn: [1],
  type: [1],
  timestamp: [1],
  duration: [1],
} as const satisfies Record<string, readonly number[]>;

/** Functions of a value (`value.name(…)`) → how many arguments. */
const METHODS = {
  all: [2],
  exists: [2],
  exists_one: [2],
  filter: [2],
  map: [2, 3],
  size: [0],
  contains: [1],
  startsWith: [1],
  endsWith: [1],
  matches: [1],
  indexOf: [1, 2],
  lastIndexOf: [1, 2],
  substring: [1, 2],
  lowerAscii: [0],
  upperAscii: [0],
  trim: [0],
  split: [1, 2],
  join: [0, 1],
  at: [1],
  base64: [0],
  hex: [0],
  json: [0],
  string: [0],
  getDate: [0],
  getDayOfMonth: [0],
  getDayOfWeek: [0],
  getFullYear: [0],
  getHours: [0],
  getMilliseconds: [0],
  getMinutes: [0],
  getMonth: [0],
  getSeconds: [0],
  hasValue: [0],
  value: [0],
  or: [1],
  orValue: [1],
  bind: [3],
  none: [0],
  of: [1],
} as const satisfies Record<string, readonly number[]>;

export const FUNCTION_ARITIES: ReadonlyMap<string, readonly number[]> = new Map(Object.entries(FUNCTIONS));
export const METHOD_ARITIES: ReadonlyMap<string, readonly number[]> = new Map(Object.entries(METHODS));

/** Names of types, to compare `type(x)` with. */
export const TYPE_NAMES: ReadonlySet<string> = new Set([
  'bool',
  'bytes',
  'double',
  'int',
  'list',
  'map',
  'null_type',
  'string',
  'type',
  'uint',
]);

/** Names that only stand before one of their own functions: `cel.bind(…)`, `optional.none()`. */
export const NAMESPACES: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['cel', new Set(['bind'])],
  ['optional', new Set(['none', 'of'])],
]);
