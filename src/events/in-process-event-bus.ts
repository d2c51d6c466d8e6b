import type { Logger } from 'pino';
import { EventBus, type GatewayEvents } from '../domain/ports.js';

type Listener<Name extends keyof GatewayEvents> = (event: GatewayEvents[Name]) => void;

/** Tells listeners in this process, at once and in order. A listener that throws is logged; announcer and other listeners go on. */
export class InProcessEventBus extends EventBus {
  private readonly listeners: { [Name in keyof GatewayEvents]: Set<Listener<Name>> } = {
    'run.finished': new Set(),
    'breaker.changed': new Set(),
    'agent.started': new Set(),
    'agent.ended': new Set(),
    'catalogue.replaced': new Set(),
    'settings.changed': new Set(),
  };

  constructor(private readonly logger: Logger) {
    super();
  }

  publish<Name extends keyof GatewayEvents>(name: Name, event: GatewayEvents[Name]): void {
    for (const listener of this.listeners[name]) {
      try {
        listener(event);
      } catch (error) {
        this.logger.warn({ err: error, event: name }, 'an event listener failed');
      }
    }
  }

  subscribe<Name extends keyof GatewayEvents>(name: Name, listener: Listener<Name>): () => void {
    this.listeners[name].add(listener);
    return () => this.listeners[name].delete(listener);
  }
}
