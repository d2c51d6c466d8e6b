import findMyWay, { type HTTPMethod } from 'find-my-way';
import type { FastifyInstance } from 'fastify';
import { markOf, type RouteMark } from './route-access.js';

export interface RegisteredRoute {
  readonly method: string;
  readonly url: string;
  readonly mark: RouteMark | undefined;
}

/** Every route as the server has it: what 405 answers, the boot check and the permissions page are made from. */
export class RoutingTable {
  private readonly router = findMyWay();
  private readonly known: RegisteredRoute[] = [];

  /** Must be called before routes are registered. */
  watch(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', ({ method, url, config }) => {
      // The answer to every preflight is no address of its own.
      if (url === '*') return;
      for (const one of [method].flat()) {
        if (this.router.hasRoute(one as HTTPMethod, url)) continue;
        this.router.on(one as HTTPMethod, url, () => undefined);
        this.known.push({ method: one, url, mark: markOf(config) });
      }
    });
  }

  routes(): readonly RegisteredRoute[] {
    return this.known;
  }

  /** Methods that the address takes, for `Allow`; empty when there is no such address. */
  methodsOf(path: string): readonly string[] {
    const methods = new Set(this.known.map(({ method }) => method));
    return [...methods].filter((method) => this.router.find(method as HTTPMethod, path) !== null);
  }
}
