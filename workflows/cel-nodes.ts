/** A node of a parsed expression: the part of the parser's own type that we rely on. */
export interface CelNode {
  /** `value`, `id`, `.`, `[]`, `call`, `rcall`, `list`, `map`, `?:`, or an operator. */
  readonly op: string;
  /** Its operands, in a form of their own for each `op`; read them with the functions below. */
  args: unknown;
  /** Where it stands in the text. */
  readonly start: number;
  readonly end: number;
}

/** What stands for the name `loop`, which CEL reserves. As long as it, so that places in the text stay right. */
export const LOOP_ALIAS = 'l__p';

/** The name that an `id` node stands for. */
export const nameOf = (node: CelNode) => (node.args === LOOP_ALIAS ? 'loop' : String(node.args));

/** `receiver.name(…args)`, or `name(…args)` with a receiver of null. */
export interface CelCall {
  name: string;
  receiver: CelNode | null;
  args: CelNode[];
}

/** The nodes below `node`, in the order in which they stand in the text. */
export function childrenOf(node: CelNode): CelNode[] {
  const { op, args } = node;
  if (op === 'value' || op === 'id') return [];
  if (op === '.' || op === '.?') return (args as CelNode[]).slice(0, 1);
  if (op === 'map') return (args as CelNode[][]).flat();
  const call = callOf(node);
  if (call !== null) return call.receiver === null ? call.args : [call.receiver, ...call.args];
  return Array.isArray(args) ? args : [args as CelNode];
}

/** The call that `node` is, or null. */
export function callOf(node: CelNode): CelCall | null {
  const { op, args } = node;
  if (op === 'call') {
    const [name, callArgs] = args as [string, CelNode[]];
    return { name, receiver: null, args: callArgs };
  }
  if (op !== 'rcall') return null;
  const [name, receiver, callArgs] = args as [string, CelNode, CelNode[]];
  return { name, receiver, args: callArgs };
}

/** The name in `left.name`, `left.?name`, `left["name"]` or `left[?"name"]`; null for any other node and index. */
export function memberOf(node: CelNode): string | null {
  const { op, args } = node;
  if (op === '.' || op === '.?') return (args as [CelNode, string])[1];
  if (op !== '[]' && op !== '[?]') return null;
  const [, index] = args as [CelNode, CelNode];
  return index.op === 'value' && typeof index.args === 'string' ? index.args : null;
}

export const isAccess = (node: CelNode) => ['.', '.?', '[]', '[?]'].includes(node.op);
export const isOptionalAccess = (node: CelNode) => node.op === '.?' || node.op === '[?]';
