type Fields = Record<string, unknown>;

/** One event of a stream, its `data:` text as it came. */
export interface StreamEvent {
  text: string;
  /** The JSON object that the text holds or, where there is a `token`, that of an earlier event of the stream. Whoever
   *  reads it leaves it as it is. */
  value: object;
  /** The one thing that sets the event apart from `value`. */
  token?: StreamToken;
}

/** In the one choice of an event, in its delta where it has one, `field` holds `text`. */
export interface StreamToken {
  field: string;
  text: string;
}

/** The event's own JSON object. */
export function toValue({ value, token }: StreamEvent): object {
  if (!token) return value;
  const { choices } = value as { choices: [Fields] };
  const [choice] = choices;
  const delta = choice.delta as Fields | null | undefined;
  const filled = { ...(delta ?? choice), [token.field]: token.text };
  return { ...value, choices: [delta ? { ...choice, delta: filled } : filled] };
}
