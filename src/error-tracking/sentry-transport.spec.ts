import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import * as Sentry from '@sentry/node';
import fc from 'fast-check';
import { eventually } from '../../test/kit/eventually.js';
import { SentryPeer, stopSentryPeers } from '../../test/kit/sentry-peer.js';
import { FAILURES } from '../domain/error-tracker.js';
import { Redaction } from '../redaction/redaction.js';
import { createEnvelopeFilter } from './allowed-envelope.js';
import { AllowedWords } from './allowed-words.js';
import { createAllowListTransport } from './sentry-transport.js';

type Client = NonNullable<ReturnType<typeof Sentry.init>>;

afterEach(stopSentryPeers);

/** The SDK as it comes, with all that it does by itself; only its way out is ours. */
function sdkAsItComes(dsn: string): { client: Client; ends: string[] } {
  const words = new AllowedWords();
  const ends: string[] = [];
  const client = Sentry.init({
    dsn,
    release: words.allow('sallyport@1.2.3'),
    environment: words.allow('test'),
    tracesSampleRate: 1,
    traceLifecycle: 'static',
    attachStacktrace: true,
    enableRuntimeChannelInjection: false,
    transport: (options) =>
      createAllowListTransport(options, {
        filter: createEnvelopeFilter(words),
        redaction: new Redaction(),
        onEnd: (end) => void ends.push(end),
        closed: new AbortController().signal,
      }),
  });
  return { client: client!, ends };
}

describe('the way out of the SDK', () => {
  it('lets no canary through any of its exits [A6]', async () => {
    const peer = await SentryPeer.start();
    const { client, ends } = sdkAsItComes(peer.dsn);
    const planted: string[] = [];
    const canary = (): string => {
      planted.push(`k${randomBytes(10).toString('hex')}`);
      return planted.at(-1)!;
    };
    const item = (type: string, payload: object, header: object = {}) =>
      client.sendEnvelope([{ event_id: canary(), [canary()]: canary() }, [[{ type, ...header }, payload]]] as never);

    Sentry.setUser({ id: canary(), email: canary(), ip_address: canary() });
    Sentry.setTags({ route: canary(), [canary()]: canary() });
    Sentry.setContext('extra', { [canary()]: canary() });
    Sentry.setExtra(canary(), canary());
    Sentry.addBreadcrumb({ message: canary(), category: canary(), data: { command: canary(), url: canary() } });
    Sentry.captureException(new TypeError(canary(), { cause: new Error(canary()) }), { fingerprint: [canary()] });
    Sentry.captureMessage(canary());
    Sentry.captureEvent({
      message: canary(),
      request: { url: canary(), headers: { authorization: canary() }, data: canary() },
      server_name: canary(),
    });
    Sentry.getCurrentScope().addAttachment({ filename: canary(), data: canary() });
    Sentry.startSpan({ name: canary(), op: canary(), attributes: { [canary()]: canary() } }, () =>
      Sentry.startSpan({ name: canary() }, () => Sentry.captureException(new Error(canary()))),
    );
    Sentry.logger.error(canary(), { [canary()]: canary() });
    Sentry.metrics.count(canary(), 1, { attributes: { a: canary() } });
    Sentry.captureCheckIn({ monitorSlug: canary(), status: 'ok' });
    Sentry.captureFeedback({ message: canary(), email: canary() });
    Sentry.captureSession(false);
    client.sendSession({ aggregates: [], attrs: { release: canary(), environment: canary() } });
    client.recordDroppedEvent(canary() as never, 'error');
    client.recordDroppedEvent('before_send', 'error');
    await item('profile', { profile: canary() });
    await item('profile_chunk', { profile: canary() });
    await item('replay_event', { urls: [canary()] });
    await item(
      'event',
      {
        platform: canary(),
        [canary()]: canary(),
        exception: {
          values: [
            {
              type: canary(),
              stacktrace: {
                frames: [{ filename: `/srv/${canary()}.js`, vars: { a: canary() }, context_line: canary(), function: canary() }],
              },
            },
          ],
        },
      },
      { [canary()]: canary() },
    );
    await item('transaction', {
      transaction: canary(),
      spans: [{ description: canary() }],
      contexts: { trace: { op: canary(), data: { a: canary() } } },
    });
    await Sentry.close(20_000);
    await eventually(() => peer.payloads('client_report').length > 0);

    expect(new Set(peer.items.map(({ type }) => type))).toEqual(new Set(['event', 'transaction', 'client_report']));
    expect(peer.events.length).toBeGreaterThanOrEqual(3);
    expect(ends.filter((end) => end === 'sent').length).toBe(peer.events.length + peer.transactions.length);
    const arrived = peer.texts.join('\n');
    expect(planted.length).toBeGreaterThan(50);
    expect(planted.filter((text) => arrived.includes(text))).toEqual([]);
  });

  it('lets nothing out of whatever an envelope holds but words that it knows', () => {
    const words = new AllowedWords();
    words.allow('GET /runs');
    const filter = createEnvelopeFilter(words);
    const own = new Set<string>([
      ...Object.values(FAILURES),
      'GET /runs',
      'event',
      'transaction',
      'client_report',
      'Error',
      '(in the log)',
      'app:///elsewhere',
    ]);
    const text = fc.oneof(
      fc.string().map((end) => `canary ${end}`),
      fc.constantFrom('GET /runs', ...Object.values(FAILURES)),
    );
    const names = [
      'transaction',
      'message',
      'tags',
      'route',
      'user',
      'id',
      'exception',
      'values',
      'type',
      'value',
      'stacktrace',
      'frames',
      'filename',
      'function',
    ];
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        text,
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.constantFrom(...names), text), tie('tree'), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(tree, tree, fc.constantFrom('event', 'transaction', 'client_report', 'session'), (headers, payload, type) => {
        const strings: string[] = [];
        const sent = filter([typeof headers === 'object' && !Array.isArray(headers) ? headers : {}, [[{ type }, payload]]]);
        JSON.stringify(sent, (_name, value: unknown) => (typeof value === 'string' && strings.push(value), value));
        expect(strings.filter((string) => !own.has(string))).toEqual([]);
      }),
    );
  });
});
