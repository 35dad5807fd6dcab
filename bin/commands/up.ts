import { MODEL_CLASSES } from '../../core/schemas/model-class.ts';
import { type Command, parseOptions } from '../command.ts';
import { runProcess } from '../run-process.ts';
import { startScreen } from '../start-screen.ts';

export const up: Command = {
  name: 'up',
  summary: 'Everything in one process: the API and all workers (npm start)',
  options: [],
  async run(args) {
    parseOptions('up', args, {});
    await runProcess({ api: true, classes: MODEL_CLASSES }, (citadel, config) => {
      console.log(startScreen(citadel, config));
    });
  },
};
