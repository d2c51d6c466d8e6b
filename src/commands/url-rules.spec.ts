import { describe, expect, it } from '@jest/globals';
import { checkUrl, type UrlRules } from './url-rules.js';

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
      'http://api.example.com/',
    ]) {
      expect(checkUrl(text, rules)).toHaveProperty('refusal');
    }
  });
});
