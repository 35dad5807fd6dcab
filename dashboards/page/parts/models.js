import { call } from '../api.js';
import { html } from '../html.js';
import { usePoll } from '../poll.js';

/** @import { ModelList } from '../answers.ts' */

/** The models that there are now; of one class, or without one. @param {{ only?: string, without?: string }} [choice] */
export function useModels({ only, without } = {}) {
  const { data, error } = usePoll(readModels, 10_000, []);
  const models = data?.data.filter(({ citadel }) => citadel.class === (only ?? citadel.class)) ?? [];
  return { models: models.filter(({ citadel }) => citadel.class !== without), error };
}

/** @returns {Promise<ModelList>} */
const readModels = () => call('/v1/models');

/** As choices of a field. @param {{ models: { id: string }[] }} props */
export const ModelOptions = ({ models }) =>
  models.map(({ id }) => html`<option key=${id} value=${id}>${id}</option>`);
