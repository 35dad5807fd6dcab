import htm from './vendor/htm.js';
import { h } from './vendor/preact.js';

/** Markup as a template. What is put into it becomes text or a property, never markup. */
export const html = htm.bind(h);
