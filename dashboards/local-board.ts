import { ExpressAdapter } from '@bull-board/express';

type EntryRoute = Parameters<ExpressAdapter['setEntryRoute']>[0];

const OUTSIDE_STYLES = /<link\b[^>]*\bhref="https?:[^>]*>\s*/g;

/** bull-board's pages without the font that they would load from elsewhere: our policy forbids it, and it tells a stranger
 *  who looks at the queues. */
export class LocalBoard extends ExpressAdapter {
  override setEntryRoute({ method, route, handler }: EntryRoute): this {
    this.app[method](route, (_req, res, next) => {
      const { name, params } = handler({ basePath: this.basePath, uiConfig: this.uiConfig });
      res.render(name, params, (error: Error | null, html: string) => {
        if (error) return next(error);
        res.send(html.replace(OUTSIDE_STYLES, ''));
      });
    });
    return this;
  }
}
