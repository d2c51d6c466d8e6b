import { applyDecorators, SetMetadata } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import type { Role } from '../domain/principal.js';

/**
 * Who may use a route: the lowest role that may, or everybody (`public`), or everybody but with a key the answer knows the
 * caller (`optional`), or what the named setting says (`public`, or `key` for any role).
 */
export type RouteAccess = Role | 'public' | 'optional' | { readonly setting: 'METRICS_ACCESS' | 'DOCS_ACCESS' };

export interface RouteMark {
  readonly access: RouteAccess;
  /** Probes: they count against no limit, so that a flooded gateway still answers its orchestrator. */
  readonly unlimited?: true;
}

/** Where a request goes. */
export interface Destination {
  /** Template of the route, for log and metrics; `unmatched` where there is none. */
  readonly template: string;
  /** Undefined where there is no route, and where it declares nothing. */
  readonly mark: RouteMark | undefined;
  readonly isRoute: boolean;
}

declare module 'fastify' {
  interface FastifyRequest {
    destination: Destination;
  }
}

export const ROUTE_MARK = 'sallyport:route';

/** Only callers of this role or a higher one. */
export function Requires(role: Role): MethodDecorator {
  return mark({ access: role });
}

/** Everybody, without a key. */
export function Public(options: { unlimited?: true } = {}): MethodDecorator {
  return mark({ access: 'public', ...options });
}

/** Everybody or only keys, as the operator set it. */
export function AccessBySetting(setting: 'METRICS_ACCESS' | 'DOCS_ACCESS', options: { unlimited?: true } = {}): MethodDecorator {
  return mark({ access: { setting }, ...options });
}

/** The mark of a routed request; undefined means that nobody thought about it, which denies. */
export function markOf(routeConfig: unknown): RouteMark | undefined {
  return (routeConfig as { [ROUTE_MARK]?: RouteMark } | undefined)?.[ROUTE_MARK];
}

/** To be asked once a request: Fastify makes its `routeOptions` anew whenever they are read. */
export function destinationOf({ routeOptions: { url, config } }: Pick<FastifyRequest, 'routeOptions'>): Destination {
  return { template: url ?? 'unmatched', mark: markOf(config), isRoute: url !== undefined };
}

function mark(value: RouteMark): MethodDecorator {
  return applyDecorators(SetMetadata(ROUTE_MARK, value), RouteConfig({ [ROUTE_MARK]: value }));
}
