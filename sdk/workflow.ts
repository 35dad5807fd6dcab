import type { Json, JsonSchema } from './records.ts';
import { type Expression, member, type Reference, reference, sourceOf } from './reference.ts';
import type {
  AnyBody,
  BranchFields,
  ChatFields,
  ChatOutput,
  CommonFields,
  Duration,
  EmbedFields,
  EmbedOutput,
  EmitFields,
  FailFields,
  HttpFields,
  HttpOutput,
  LoopFields,
  MapFields,
  ParallelFields,
  SleepFields,
  Step,
  Text,
  TransformFields,
  Turn,
  WaitEventFields,
  WorkflowFields,
} from './step-fields.ts';

/** A definition as Citadel takes it. */
export interface Definition {
  name: string;
  steps: { id: string; type: string; [field: string]: unknown }[];
  [field: string]: unknown;
}

/** A workflow that has been written down, ready to be started or stored. */
export interface Workflow<Input = unknown, Output = unknown> {
  readonly name: string;
  readonly definition: Definition;
  /** For the compiler alone. */
  readonly types?: { input: Input; output: Output };
}

export interface WorkflowOptions {
  description?: string;
  /** What a run's input must be like. */
  input?: JsonSchema;
  /** Run when the run has failed; sees `steps.<id>.error`. */
  on_failure?: AnyBody;
  deadline?: Duration;
  concurrency?: { key: Text; limit: number };
  tags?: string[];
  budget?: { tokens: number; on_exceed?: 'pause' | 'fail' };
}

/** Adds steps to a list: of a workflow, or of a step's body. A step's fields are those of its JSON. */
export interface Steps {
  chat<Parsed = unknown>(id: string, fields: ChatFields): Step<ChatOutput<Parsed>>;
  embed(id: string, fields: EmbedFields): Step<EmbedOutput>;
  http<Parsed = unknown>(id: string, fields: HttpFields): Step<HttpOutput<Parsed>>;
  transform<Value = unknown>(id: string, fields: TransformFields): Step<Value>;
  branch<Output>(id: string, fields: BranchFields<Output>): Step<Output>;
  map<Item, Output>(id: string, fields: MapFields<Item, Output>): Step<Output[]>;
  loop<Output>(id: string, fields: LoopFields<Output>): Step<Output>;
  parallel<Outputs extends object>(id: string, fields: ParallelFields<Outputs>): Step<Outputs>;
  /** Waits for the signal that is named like the step; gives its payload. */
  approve<Payload = unknown>(id: string, fields?: CommonFields): Step<Payload>;
  wait_event<Payload = unknown>(id: string, fields: WaitEventFields): Step<Payload>;
  sleep(id: string, fields: SleepFields): Step<null>;
  workflow<Output = unknown>(id: string, fields: WorkflowFields): Step<Output>;
  emit(id: string, fields: EmitFields): Step<null>;
  fail(id: string, fields: FailFields): Step<never>;
}

/** What the steps of a whole workflow see. */
export interface WorkflowSteps<Input> extends Steps {
  readonly input: Reference<Input>;
  readonly run: Reference<{ id: string }>;
}

/**
 * Writes a workflow down as the JSON that Citadel takes. What `build` returns becomes the run's output: a step (its
 * output), or any JSON with references in it; nothing: the output of the last step.
 */
export function workflow<Input = unknown, Output = Json>(
  name: string,
  options: WorkflowOptions,
  build: (steps: WorkflowSteps<Input>) => unknown,
): Workflow<Input, Output> {
  const { on_failure, ...fields } = options;
  const { steps, list } = createSteps();
  const whole = { ...steps, input: reference<Input>('input'), run: reference<{ id: string }>('run') };
  const output = build(whole);
  const definition = {
    name,
    ...fields,
    steps: list,
    ...(output === undefined ? {} : { output: isStep(output) ? output.output : output }),
    ...(on_failure === undefined ? {} : { on_failure: listOf(on_failure) }),
  };
  // Through JSON: references are printed, and what is undefined is left out.
  return { name, definition: JSON.parse(JSON.stringify(definition)) };
}

/** A workflow's definition, in whichever form it comes. */
export function definitionOf(workflow: Definition | Workflow): Definition {
  return isDefinition(workflow) ? workflow : workflow.definition;
}

function isDefinition(workflow: Definition | Workflow): workflow is Definition {
  return 'steps' in workflow;
}

type StepJson = Definition['steps'][number];

const INDEX = reference<number>('index');

function createSteps(): { steps: Steps; list: StepJson[] } {
  const list: StepJson[] = [];

  function add<Output>(type: string, id: string, fields: object): Step<Output> {
    list.push({ id, type, ...toCommonJson(fields) });
    return createStep(id);
  }

  const adder =
    (type: string) =>
    <Output>(id: string, fields: object = {}) =>
      add<Output>(type, id, fields);

  const steps: Steps = {
    chat: adder('chat'),
    embed: adder('embed'),
    http: adder('http'),
    transform: adder('transform'),
    branch: (id, { cases, else: otherwise, ...rest }) =>
      add('branch', id, {
        ...rest,
        cases: cases.map(({ when, steps: body }) => ({ when: sourceOf(when), steps: listOf(body) })),
        ...(otherwise === undefined ? {} : { else: listOf(otherwise) }),
      }),
    map: <Item, Output>(id: string, { over, steps: body, ...rest }: MapFields<Item, Output>) =>
      add<Output[]>('map', id, { over, ...rest, steps: listOf(body, reference<Item>('item'), INDEX) }),
    loop: <Output>(id: string, { steps: body, until, ...rest }: LoopFields<Output>) => {
      const turn: Turn<Output> = { index: reference('loop.index'), output: reference('loop.output') };
      const end = typeof until === 'function' ? until(turn) : until;
      return add<Output>('loop', id, { ...rest, until: sourceOf(end), steps: listOf(body, turn) });
    },
    parallel: <Outputs extends object>(id: string, { branches, ...rest }: ParallelFields<Outputs>) => {
      const bodies = Object.entries<AnyBody>(branches);
      const lists = Object.fromEntries(bodies.map(([name, body]) => [name, listOf(body)]));
      return add<Outputs>('parallel', id, { ...rest, branches: lists });
    },
    approve: adder('approve'),
    wait_event: adder('wait_event'),
    sleep: adder('sleep'),
    workflow: adder('workflow'),
    emit: adder('emit'),
    fail: adder('fail'),
  };
  return { steps, list };
}

const named = new WeakSet<object>();

function createStep<Output>(id: string): Step<Output> {
  const source = `steps${member(id)}`;
  const step: Step<Output> = {
    id,
    output: reference(`${source}.output`),
    status: reference(`${source}.status`),
    error: reference(`${source}.error`),
  };
  named.add(step);
  return step;
}

function isStep(value: unknown): value is { output: Expression } {
  return typeof value === 'object' && value !== null && named.has(value);
}

/** The steps that `body` names. */
function listOf<Arguments extends unknown[]>(
  body: (steps: Steps, ...args: Arguments) => { id: string } | undefined,
  ...args: Arguments
): StepJson[] {
  const { steps, list } = createSteps();
  const last = body(steps, ...args);
  if (last !== undefined && last.id !== list.at(-1)?.id) {
    throw new TypeError(`A body gives the output of its last step, and "${last.id}" is not the last.`);
  }
  return list;
}

function toCommonJson(fields: CommonFields): { [field: string]: unknown } {
  const { after, when, compensate, ...rest } = fields;
  return {
    ...(after === undefined
      ? {}
      : { after: after.map((step) => (typeof step === 'string' ? step : step.id)) }),
    ...(when === undefined ? {} : { when: sourceOf(when) }),
    ...toJsonObject(rest),
    ...(compensate === undefined ? {} : { compensate: onlyStepOf(compensate) }),
  };
}

function onlyStepOf(body: AnyBody): StepJson {
  const [step, ...others] = listOf(body);
  if (step === undefined || others.length > 0) throw new TypeError('A compensation is one step.');
  return step;
}

/** With references printed, and what is undefined left out. */
function toJsonObject(value: object): { [field: string]: Json } {
  return JSON.parse(JSON.stringify(value));
}
