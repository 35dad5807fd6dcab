import { nearestName } from '../core/nearest-name.ts';
import { COMPREHENSIONS, FUNCTION_ARITIES, METHOD_ARITIES, NAMESPACES, TYPE_NAMES } from './cel-functions.ts';
import {
  type CelCall,
  type CelNode,
  callOf,
  childrenOf,
  isAccess,
  isOptionalAccess,
  memberOf,
  nameOf,
} from './cel-nodes.ts';
import { STEP_FIELDS, type StepField, type StepReference } from './step-reference.ts';

/** What is wrong with an expression, and where in its text. */
interface CelProblem {
  message: string;
  start: number;
}

export interface CelAnalysis {
  references: StepReference[];
  problems: CelProblem[];
}

/** How deep comprehensions (`map`, `filter`, `all`, …) may stand inside each other. */
const COMPREHENSIONS_MAX = 2;
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const MEMBERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['run', ['id']],
  ['loop', ['index', 'output']],
]);

/** Where a node stands: the names that comprehensions around it bind, and whether what it reads may be missing. */
interface Place {
  bound: readonly string[];
  comprehensions: number;
  isGuarded: boolean;
}

interface Visit extends CelAnalysis {
  scopeNames: readonly string[];
}

/** Reads the steps that an expression refers to, and finds what it may not do with the names of its scope. */
export function analyseCel(root: CelNode, scopeNames: readonly string[]): CelAnalysis {
  const seen: Visit = { references: [], problems: [], scopeNames };
  visit(seen, root, { bound: [], comprehensions: 0, isGuarded: false });
  return { references: seen.references, problems: seen.problems };
}

function visit(seen: Visit, node: CelNode, place: Place): void {
  const call = callOf(node);
  if (isAccess(node) || node.op === 'id') {
    visitChain(seen, accessChain(node), place);
  } else if (call === null) {
    if (node.op === 'map') checkKeys(seen, node);
    visitAll(seen, childrenOf(node), place);
  } else {
    checkCall(seen, node, call);
    visitCall(seen, call, place);
  }
}

function visitAll(seen: Visit, nodes: readonly CelNode[], place: Place): void {
  for (const node of nodes) visit(seen, node, place);
}

function visitCall(seen: Visit, call: CelCall, place: Place): void {
  const { name, receiver, args } = call;
  if (receiver === null) {
    visitAll(seen, args, { ...place, isGuarded: place.isGuarded || name === 'has' });
    return;
  }
  if (!isNamespace(receiver, name)) visit(seen, receiver, place);
  if (COMPREHENSIONS.has(name)) visitBodies(seen, args, place);
  else if (name === 'bind') visitBinding(seen, args, place);
  else visitAll(seen, args, place);
}

function visitBodies(seen: Visit, [variable, ...bodies]: readonly CelNode[], place: Place): void {
  if (variable === undefined) return;
  const comprehensions = place.comprehensions + 1;
  if (comprehensions > COMPREHENSIONS_MAX) {
    report(seen, variable, `comprehensions stand inside each other at most ${COMPREHENSIONS_MAX} deep`);
  }
  visitAll(seen, bodies, { ...place, comprehensions, bound: bind(seen, variable, place.bound) });
}

function visitBinding(seen: Visit, [variable, value, body]: readonly CelNode[], place: Place): void {
  if (value) visit(seen, value, place);
  if (variable && body) visit(seen, body, { ...place, bound: bind(seen, variable, place.bound) });
}

function bind(seen: Visit, variable: CelNode, bound: readonly string[]): readonly string[] {
  if (variable.op !== 'id') return bound;
  const name = nameOf(variable);
  const isTaken = [seen.scopeNames.includes(name), TYPE_NAMES.has(name), NAMESPACES.has(name)].includes(true);
  if (isTaken || FORBIDDEN.has(name)) {
    report(seen, variable, `"${name}" is taken: give the variable another name`);
  }
  return [...bound, name];
}

interface Chain {
  base: CelNode;
  /** The first access first. */
  accesses: CelNode[];
}

/** `base.a["b"][i].c` as its base and its accesses. */
function accessChain(node: CelNode): Chain {
  const accesses: CelNode[] = [];
  let base = node;
  while (isAccess(base)) {
    accesses.push(base);
    base = (base.args as [CelNode, unknown])[0];
  }
  return { base, accesses: accesses.reverse() };
}

function visitChain(seen: Visit, { base, accesses }: Chain, place: Place): void {
  for (const access of accesses) {
    const member = memberOf(access);
    if (member !== null && FORBIDDEN.has(member)) report(seen, access, `"${member}" cannot be read`);
    if (member === null) visit(seen, (access.args as CelNode[])[1] ?? base, place);
  }
  const name = base.op === 'id' ? nameOf(base) : null;
  if (name === null) visit(seen, base, place);
  else if (place.bound.includes(name)) return;
  else if (!seen.scopeNames.includes(name)) checkName(seen, { base, accesses }, place.bound);
  else if (name === 'steps') readReference(seen, { base, accesses }, place);
  else checkMember(seen, base, accesses[0]);
}

function checkName(seen: Visit, { base, accesses }: Chain, bound: readonly string[]): void {
  const name = nameOf(base);
  if (TYPE_NAMES.has(name) && accesses.length === 0) return;
  const nearest = nearestName(name, [...seen.scopeNames, ...bound]);
  const hint = nearest === null ? `known here: ${seen.scopeNames.join(', ')}` : `did you mean "${nearest}"?`;
  report(seen, base, `"${name}" is not known; ${hint}`);
}

function checkMember(seen: Visit, base: CelNode, access: CelNode | undefined): void {
  const known = MEMBERS.get(nameOf(base));
  if (access === undefined || known === undefined || known.includes(memberOf(access) ?? '')) return;
  report(
    seen,
    access,
    `"${nameOf(base)}" has ${known.map((name) => `"${nameOf(base)}.${name}"`).join(' and ')} only`,
  );
}

function readReference(seen: Visit, { base, accesses }: Chain, place: Place): void {
  const [first, second] = accesses;
  const step = first ? memberOf(first) : null;
  if (step === null) {
    report(seen, base, '"steps" is followed by the id of a step: steps.<id>.output, or steps["<id>"].output');
    return;
  }
  const field = second ? memberOf(second) : null;
  if (second && !STEP_FIELDS.includes(field as StepField)) {
    report(seen, second, `a step has "output", "status" and "error" only, as in steps["${step}"].output`);
    return;
  }
  const isGuarded = place.isGuarded || accesses.some(isOptionalAccess);
  seen.references.push({ step, field: field as StepField | null, isGuarded });
}

function checkCall(seen: Visit, node: CelNode, { name, receiver, args }: CelCall): void {
  const known = receiver === null ? FUNCTION_ARITIES : METHOD_ARITIES;
  const arities = known.get(name);
  if (arities === undefined) {
    const nearest = nearestName(name, known.keys());
    report(
      seen,
      node,
      `there is no function "${name}" here${nearest === null ? '' : `; did you mean "${nearest}"?`}`,
    );
  } else if (!arities.includes(args.length)) {
    report(seen, node, `"${name}" takes ${arities.join(' or ')} arguments, not ${args.length}`);
  }
}

function checkKeys(seen: Visit, node: CelNode): void {
  for (const [key] of node.args as [CelNode, CelNode][]) {
    if (FORBIDDEN.has(String(key.args))) report(seen, key, `"${key.args}" cannot be a key`);
  }
}

/** `cel` and `optional` are names of the library, worth something only before their own functions. */
function isNamespace(receiver: CelNode, name: string): boolean {
  return receiver.op === 'id' && (NAMESPACES.get(nameOf(receiver))?.has(name) ?? false);
}

function report(seen: Visit, node: CelNode, message: string): void {
  seen.problems.push({ message, start: node.start });
}
