import { isIPv4, isIPv6 } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { TargetRules } from '../domain/outgoing.js';
import { addressJudge, checkUrl, judgeTarget, type UrlRules } from './url-rules.js';

const open: UrlRules = { schemes: ['https', 'http'], hosts: ['*'], allowPrivate: false };

describe('a url (T06)', () => {
  it.each(['https://example.com/a?b#c', 'http://93.184.216.34/', 'https://[2606:4700::1111]/', 'https://user.example.com:8443/'])(
    'may be %s',
    (text) => {
      expect(checkUrl(text, open)).toEqual({ href: text });
    },
  );

  it.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f.0.0.1/',
    'http://2130706433/',
    'http://017700000001/',
    'http://0/',
    'http://10.1.2.3/',
    'http://172.31.0.1/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[fd00:ec2::254]/',
    'http://[fe80::1]/',
    'http://localhost/',
    'http://LOCALHOST./',
    'http://a.localhost/',
    'http://metadata.google.internal/',
    'http://１２７.0.0.1/',
  ])('may not lead to %s', (text) => {
    expect(checkUrl(text, open)).toEqual({ refusal: 'leads to a private address' });
    expect(checkUrl(text, { ...open, allowPrivate: true })).toHaveProperty('href');
  });

  it.each([
    'file:///etc/passwd',
    'ext::sh -c id',
    'javascript:alert(1)',
    'gopher://example.com/',
    '//example.com',
    'example.com',
    '--output=x',
    '',
  ])('may not be %j', (text) => {
    expect(checkUrl(text, open)).toHaveProperty('refusal');
  });

  it('carries no credentials', () => {
    expect(checkUrl('https://user:word@example.com/', open)).toEqual({ refusal: 'must not carry a user name or password' });
    expect(checkUrl('https://example.com@evil.example/', open)).toHaveProperty('refusal');
  });

  it('keeps to its hosts', () => {
    const rules: UrlRules = { schemes: ['https'], hosts: ['api.example.com', '*.example.org'], allowPrivate: false };
    for (const text of ['https://api.example.com/', 'https://API.example.com./', 'https://a.b.example.org/'])
      expect(checkUrl(text, rules)).toHaveProperty('href');
    for (const text of [
      'https://example.org/',
      'https://evil-example.org/',
      'https://api.example.com.evil.net/',
      'https://evil-api.example.com/',
      'http://api.example.com/',
    ]) {
      expect(checkUrl(text, rules)).toHaveProperty('refusal');
    }
  });
});

const PUBLIC_ONLY: TargetRules = { schemes: ['http', 'https'], hosts: ['*'], ports: [], privateRanges: [] };

describe('the target of a call (T06)', () => {
  it.each(['https://example.com/a?b', 'http://93.184.216.34/', 'https://[2606:4700::1111]/', 'http://example.com:80/'])(
    'may be %s',
    (text) => expect(judgeTarget(text, PUBLIC_ONLY)).toHaveProperty('url'),
  );

  it.each([
    'http://134744072/',
    'http://0x08.8.8.8/',
    'http://010.8.8.8/',
    'http://8.8.2056/',
    'http://８.8.8.8/',
    'http://example.com./',
    'http://8.8.8.8./',
    'http://user@example.com/',
    'http://example.com:8080/',
    'https://example.com:80/',
    'http:\\\\8.8.8.8/',
    'http://[::ffff:8.8.8.8]/',
    'http://[64:ff9b::808:808]/',
    'http://[2002:808:808::]/',
    'http://[2001::1]/',
    'http://[::8.8.8.8]/',
    'http://168.63.129.16/',
    'http://100.100.100.200/',
    'http://192.0.0.192/',
    'http://255.255.255.255/',
    'http://224.0.0.1/',
    'http://[ff02::1]/',
  ])('may not be %s', (text) => expect(judgeTarget(text, PUBLIC_ONLY)).toHaveProperty('refusal'));

  it('may be private as far as its rules say so, and by a name only where they do', () => {
    const rules: TargetRules = { ...PUBLIC_ONLY, ports: [9200], privateRanges: ['10.1.0.0/16', 'fd00::/8'] };
    for (const text of ['http://10.1.2.3:9200/', 'http://[fd00::1]/', 'http://[::ffff:10.1.2.3]/', 'http://search.internal:9200/'])
      expect([text, judgeTarget(text, rules)]).toEqual([text, { url: new URL(text) }]);
    for (const text of ['http://10.2.0.1/', 'http://127.0.0.1/', 'http://169.254.169.254/', 'http://10.1.2.3:9300/'])
      expect(judgeTarget(text, rules)).toHaveProperty('refusal');
    expect(judgeTarget('http://search.internal/', PUBLIC_ONLY)).toHaveProperty('refusal');
  });

  it('is never a private address, in whatever spelling it comes', () => {
    const special = fc.constantFrom(
      [127, 8],
      [10, 8],
      [169 * 256 + 254, 16],
      [172 * 16 + 1, 12],
      [192 * 256 + 168, 16],
      [100 * 4 + 1, 10],
      [0, 8],
      [7, 3],
    );
    const hidden = fc
      .tuple(special, fc.nat(0xffffffff))
      .map(([[first = 0, bits = 8], rest]) => (first * 2 ** (32 - bits) + (rest % 2 ** (32 - bits))) >>> 0);
    const radix = fc.constantFrom(8, 10, 16);
    fc.assert(
      fc.property(
        hidden,
        fc.array(radix, { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(9),
        (address, radices, parts, form) => {
          const host = spell(address, radices, parts, form);
          fc.pre(URL.canParse(`http://${host}/`));
          expect([host, judgeTarget(`http://${host}/`, PUBLIC_ONLY)]).toEqual([host, { refusal: expect.any(String) }]);
          expect([host, checkUrl(`http://${host}/`, open)]).toEqual([host, { refusal: 'leads to a private address' }]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is a URL that is judged for what it is, or refused, for any text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'http',
        'https',
        ':',
        '//',
        '\\',
        '@',
        '127.1',
        '8.8.8.8',
        'a.example',
        '.',
        '%2e',
        '[',
        ']',
        '::1',
        '0x7f',
        '#',
        '?',
        '\t',
        '／',
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }).map((pieces) => `http://${pieces.join('')}`),
        (text) => {
          const verdict = judgeTarget(text, PUBLIC_ONLY);
          if (!('url' in verdict)) return;
          const { hostname, username, password, port } = verdict.url;
          const host = hostname.replace(/^\[|\]$/g, '');
          expect([username, password, port]).toEqual(['', '', '']);
          if (isIPv4(host) || isIPv6(host)) expect(addressJudge(PUBLIC_ONLY)(host)).toBe(true);
          else expect(host).not.toMatch(/(^|\.)(localhost|local|internal)$|\.$/);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

/** One of the ways in which an IPv4 address can be written, as text or inside IPv6. */
function spell(address: number, radices: readonly number[], parts: number, form: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff);
  const [high, low] = [address >>> 16, address & 0xffff].map((half) => half.toString(16));
  if (form === 0) return `[::ffff:${bytes.join('.')}]`;
  if (form === 1) return `[::ffff:${high}:${low}]`;
  if (form === 2) return `[64:ff9b::${high}:${low}]`;
  if (form === 3) return `[2002:${high}:${low}::]`;
  if (form === 4) return `[::${bytes.join('.')}]`;
  const head = bytes.slice(0, parts - 1);
  const last = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0);
  const written = [...head, last].map((number, index) => inRadix(number, radices[index] ?? 10)).join('.');
  return form === 5 ? `${written}.` : written;
}

function inRadix(number: number, radix: number): string {
  const text = number.toString(radix);
  if (radix === 10) return text;
  return radix === 8 ? `0${text}` : `0X${text.toUpperCase()}`;
}
