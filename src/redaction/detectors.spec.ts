import { describe, expect, it } from '@jest/globals';
import { DETECTORS, HINT_SPAN } from './detectors.js';
import { maskOf, type RedactionKind } from './masks.js';
import { redactText } from './redact-text.js';

/** Mixed letters and digits of that length; put together here so that no scanner takes this file for a leak. */
const mixed = (length: number): string => 'a1B2c3D4e5F6g7H8i9J0'.repeat(8).slice(0, length);

const AWS_ID = 'AKIA' + 'IOSFODNN7EXAMPLE';
const AWS_SECRET = 'wJalrXUtnFEMI/K7MDENG/' + 'bPxRfiCYEXAMPLEKEY';
const GITHUB = 'ghp_' + mixed(36);
const OUR_KEY = 'slp_' + mixed(12) + '_' + mixed(38);
const begin = (label: string): string => '-----BEGIN ' + label + '-----';
const end = (label: string): string => '-----END ' + label + '-----';
const pem = (label: string, lineEnd = '\n'): string => [begin(label), mixed(64), mixed(20) + '==', end(label)].join(lineEnd);

/** Texts in which `⟦…⟧` marks exactly what must be masked. */
const POSITIVES: Partial<Record<RedactionKind, readonly string[]>> = {
  api_key: [`⟦${OUR_KEY}⟧`, `X-API-Key: ⟦${OUR_KEY}⟧\r\n`, `{"secret":"⟦${OUR_KEY}⟧"}`, `key\\n⟦${OUR_KEY}⟧`, `glued⟦${OUR_KEY}⟧on`],
  bearer_token: [
    `Authorization: Bearer ⟦${mixed(8)}⟧`,
    `authorization=bearer ⟦${mixed(30)}⟧;`,
    `{\\"Authorization\\": \\"Bearer ⟦${mixed(40)}⟧\\"}`,
    `curl -H 'Authorization: Bearer ⟦eyJ${mixed(50)}.${mixed(60)}.x-_y⟧' http://localhost`,
    `sent Bearer ⟦${mixed(24)}⟧ to it`,
    `Bearer ⟦${mixed(5_000)}⟧ end`,
  ],
  private_key: [
    ...['RSA PRIVATE KEY', 'PRIVATE KEY', 'OPENSSH PRIVATE KEY', 'EC PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'PGP PRIVATE KEY BLOCK'].map(
      (label) => `before ⟦${pem(label)}⟧\nafter`,
    ),
    `⟦${pem('PRIVATE KEY', '\r\n')}⟧\r\n`,
    `{"key":"⟦${pem('PRIVATE KEY', '\\n')}⟧\\n"}`,
    `⟦${pem('PRIVATE KEY', '')}⟧`,
    `⟦${begin('PRIVATE KEY')}\nany text, for the footer alone ends it\n⟧`,
  ],
  aws_access_key: [
    `⟦${AWS_ID}⟧`,
    `Credential=⟦${AWS_ID}⟧/20240101/us-east-1`,
    `id%3D⟦${AWS_ID.replace('AKIA', 'ASIA')}⟧&x`,
    `aws_secret_access_key = ⟦${AWS_SECRET}⟧`,
    `"SecretAccessKey": "⟦${AWS_SECRET}⟧",`,
    `AWS_SECRET_KEY=⟦${AWS_SECRET}⟧\n`,
    `<SecretAccessKey>⟦${AWS_SECRET}⟧</SecretAccessKey>`,
  ],
  github_token: [
    ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((prefix) => `⟦${prefix}${mixed(36)}⟧`),
    `https://⟦${GITHUB}⟧@github.com/org/repo`,
    `⟦github_pat_${mixed(22)}_${mixed(59)}⟧.`,
    `token:\\n⟦${GITHUB}${mixed(100)}⟧\\n`,
  ],
  slack_token: [
    ...['xoxb', 'xoxp', 'xoxa', 'xoxr', 'xoxs'].map((prefix) => `SLACK=⟦${prefix}-123456789012-${mixed(24)}⟧`),
    `⟦xapp-1-A0123-${mixed(40)}⟧ ok`,
  ],
  ssn: [
    '⟦123-45-6789⟧',
    'is ⟦899-99-9999⟧.',
    '(⟦001-01-0001⟧)',
    'SSN: ⟦123456789⟧',
    'ssn ⟦123 45 6789⟧,',
    '"social_security": "⟦123456789⟧"',
    'a\\n⟦123-45-6789⟧\\n',
  ],
  email: [
    '⟦alice@example.com⟧',
    'To: <⟦first.last+tag@mail.example.co.uk⟧>.',
    "mailto:⟦o'brien@example.org⟧?subject=x",
    '"\\n⟦bob@example.com⟧\\n"',
    'to=a%3D⟦bob@example.com⟧&',
    'see ⟦12345@163.com⟧, ⟦jürgen@müller.de⟧ and ⟦a_b@xn--e1afmkfd.xn--p1ai⟧',
    '⟦alice@example.com⟧:hunter2',
    'Welcome...⟦bob@example.com⟧',
  ],
  card_number: [
    '⟦4111111111111111⟧',
    'card ⟦4111 1111 1111 1111⟧ 12/27',
    'card ⟦4111-1111-1111-1111⟧.',
    '⟦4111 1111 1111 1111⟧ 123',
    'amex ⟦378282246310005⟧, ⟦3782 822463 10005⟧',
    'diners ⟦30569309025904⟧ discover ⟦6011111111111117⟧ jcb ⟦3530111333300000⟧ mc ⟦5555555555554444⟧ ⟦2223003122003222⟧',
    '4111111111111112,⟦4111111111111111⟧,123',
    '{"number":"⟦4111111111111111⟧","order_id":7}',
    'pan=⟦4111111111111111⟧&cvc=1',
    'order paid with card ⟦4111111111111111⟧',
  ],
};

/** What resembles the kind and is not it. */
const LOOK_ALIKES: Partial<Record<RedactionKind, readonly string[]>> = {
  api_key: ['slp_short', `slp_${mixed(12)}-${mixed(38)}`, `slp_${mixed(12)}_${mixed(37)}`, 'help_me'],
  bearer_token: [
    'bearer of good news',
    'Bearer authentication-is-required-here',
    'Authorization: Bearer <token>',
    'Authorization: Bearer $TOKEN',
    'WWW-Authenticate: Bearer realm="example"',
    `forbearer ${mixed(30)}`,
  ],
  private_key: [
    pem('CERTIFICATE'),
    pem('PUBLIC KEY'),
    `a header (${begin('PRIVATE KEY')}) begins it`,
    `${begin('PRIVATE KEY')} and then prose`,
    '-----BEGIN',
    '-'.repeat(80),
  ],
  aws_access_key: [
    'AKIA',
    'AKIA' + 'IOSFODNN7EXAMPL',
    `X${AWS_ID}`,
    `${AWS_ID}X`,
    'AKIA' + 'iosfodnn7example',
    AWS_SECRET,
    `${AWS_SECRET} is no secret_access_key`,
  ],
  github_token: [
    'ghp_short',
    'ghs_a_long_name_in_snake_case_is_not_a_token',
    `ghx_${mixed(36)}`,
    'github_pat_',
    'github_path_to_the_repository_of_ours',
  ],
  slack_token: ['xoxb-your-slack-bot-token-goes-here', 'xoxb-1', `xoxz-123456789012-${mixed(24)}`, 'foxox-trot'],
  ssn: [
    '000-45-6789',
    '666-45-6789',
    '900-45-6789',
    '123-00-6789',
    '123-45-0000',
    '1123-45-6789',
    '123-45-67890',
    'x123-45-6789',
    '1-123-45-6789',
    '123-45-6789-0',
    '123-45-6789.5',
    '123 45 6789',
    '123456789',
    '123-456-7890',
    '2024-05-06',
  ],
  email: [
    'git@github.com:org/repo.git',
    'ssh://git@github.com/org/repo',
    'deploy@host.example.com:/srv/app',
    'root@web.example.com:~# ls',
    'https://alice@example.com/path',
    'lodash@4.17.21 and pkg@1.2.3-beta.rc',
    'github.com/org/module@v2.0.0+incompatible',
    `image@sha256:${mixed(20)}`,
    'npm i @scope/name@latest',
    'getty@tty1.service',
    'logo@2x.png',
    'alice@localhost',
    '@handle, a@, @b.com, x.@y.com',
    `${'a'.repeat(65)}@example.com`,
    'a@b..com a@-b.com',
  ],
  card_number: [
    '4111111111111112',
    '1234567812345670',
    '41111111111111111',
    'x4111111111111111',
    '4111111111111111x',
    '0.4111111111111111',
    '4111111111111111.5',
    '4111-1111-1111-1111-1111',
    '4111 1111 1111 1111 1111',
    '1234 4111 1111 1111 1111',
    'order 4111111111111111',
    '"orderId": "4111111111111111"',
    'trace_id=4111111111111111',
    'invoice no. 4111111111111111',
    '550e8400-e29b-41d4-a716-446655440000',
    '4111 1111-1111 1111',
    '1700000000000 1700000000000000000',
  ],
  // Check digits that are another account's.
  iban: ['DE89370400440532013001', 'GB82WEST12345698765433'],
};

describe('detectors', () => {
  for (const [kind, texts] of Object.entries(POSITIVES)) {
    it.each(texts)(`masks ${kind} and nothing else: %s`, (marked) => {
      const expected = marked.replace(/⟦[^⟧]*⟧/g, maskOf(kind));
      expect(redactText(marked.replace(/[⟦⟧]/g, '')).text).toBe(expected);
    });
  }

  for (const [kind, texts] of Object.entries(LOOK_ALIKES)) {
    it.each(texts)(`takes for no ${kind}: %s`, (text) => {
      expect(redactText(text)).toEqual({ text, count: 0 });
    });
  }

  it('have hints that fit into the span', () => {
    const longest = DETECTORS.map(({ hint }) => hint).filter((hint) => /^[A-Za-z0-9_-]+$/.test(hint));
    for (const hint of longest) expect(hint.length).toBeLessThanOrEqual(HINT_SPAN);
  });
});
