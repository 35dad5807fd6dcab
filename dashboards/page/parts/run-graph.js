import { html } from '../html.js';
import { Graph, layout } from '../vendor/dagre.js';
import { useMemo } from '../vendor/preact-hooks.js';

/** @import { Plan, PlannedStep, Step } from '../answers.ts' */
/** @typedef {{ status: string, total: number, done: number }} State */
/** @typedef {PlannedStep & { x: number, y: number }} PlacedStep */

const NODE = { width: 176, height: 52 };
/** What a step of several items counts as: the first of these that one of them is. */
const RANK = ['failed', 'running', 'waiting', 'ready', 'pending', 'cancelled', 'succeeded', 'skipped'];
const CHARS_MAX = 20;
/** A large graph is drawn smaller up to here, so that it can be read; what is wider still is scrolled. */
const SCALE_MIN = 0.75;

/**
 * The steps of a definition and how each of them does in a run.
 * @param {{ plan: Plan, steps: Step[], chosen: string | null, onChoose: (path: string) => void }} props
 */
export function RunGraph({ plan, steps, chosen, onChoose }) {
  const drawing = useMemo(() => draw(plan), [plan]);
  const states = statesOf(steps);
  return html`<div class="graph scroll" tabindex="0" role="region" aria-label="Graph">
    <svg width=${drawing.width} height=${drawing.height} style=${{ minWidth: `${drawing.width * SCALE_MIN}px` }} viewBox=${`0 0 ${drawing.width} ${drawing.height}`} role="group" aria-label="Steps">
      ${drawing.edges.map(({ points, isInner }, index) => html`<path key=${index} class=${isInner ? 'edge is-inner' : 'edge'} d=${points} />`)}
      ${drawing.nodes.map((node) => html`<${Node} key=${node.path} node=${node} state=${states.get(node.path)} isChosen=${node.path === chosen} onChoose=${onChoose} />`)}
    </svg>
  </div>`;
}

/** @param {{ node: PlacedStep, state: State | undefined, isChosen: boolean, onChoose: (path: string) => void }} props */
function Node({ node: { x, y, id, path, type }, state, isChosen, onChoose }) {
  const status = state?.status ?? 'pending';
  const counts = state && state.total > 1 ? ` ${state.done}/${state.total}` : '';
  const choose = () => onChoose(path);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    choose();
  };
  return html`<g
    class=${`node is-${status}${isChosen ? ' is-chosen' : ''}`}
    transform=${`translate(${x - NODE.width / 2} ${y - NODE.height / 2})`}
    tabindex="0"
    role="button"
    data-step=${path}
    aria-label=${`${id}, ${type}: ${status}${counts}`}
    aria-pressed=${isChosen}
    onClick=${choose}
    onKeyDown=${onKeyDown}
  >
    <rect width=${NODE.width} height=${NODE.height} rx="8" />
    <text x="12" y="22">${shorten(id)}</text>
    <text x="12" y="40" class="faint">${type} · ${status}${counts}</text>
  </g>`;
}

/** @param {Plan} plan */
function draw(plan) {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: 24, ranksep: 36, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { path } of plan.steps) graph.setNode(path, { ...NODE });
  for (const { path, container, after } of plan.steps) {
    for (const before of after) graph.setEdge(before, path);
    if (container !== null && after.length === 0) graph.setEdge(container, path, { isInner: true });
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    nodes: plan.steps.map((step) => {
      const { x, y } = graph.node(step.path);
      return { ...step, x, y };
    }),
    edges: graph.edges().map((edge) => {
      const { points, isInner } = graph.edge(edge);
      return { points: toPath(points), isInner: isInner === true };
    }),
  };
}

/** @param {{ x: number, y: number }[]} points */
const toPath = (points) => `M${points.map(({ x, y }) => `${x} ${y}`).join('L')}`;

/** @param {string} text */
const shorten = (text) => (text.length > CHARS_MAX ? `${text.slice(0, CHARS_MAX - 1)}…` : text);

/** A step's place in the definition: `fan[17]/sum` is an item of `fan/sum`. @param {string} key */
export const placeOf = (key) => key.replace(/\[\d+\]|#\d+/g, '');

/** @param {Step[]} steps */
function statesOf(steps) {
  /** @type {Map<string, State>} */
  const states = new Map();
  for (const { id, status } of steps) {
    const path = placeOf(id);
    const known = states.get(path) ?? { status, total: 0, done: 0 };
    known.total += 1;
    if (status === 'succeeded' || status === 'skipped') known.done += 1;
    if (RANK.indexOf(status) < RANK.indexOf(known.status)) known.status = status;
    states.set(path, known);
  }
  return states;
}
