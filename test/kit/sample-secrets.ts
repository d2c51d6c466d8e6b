import { generateKey } from '../../src/auth/key-format.js';
import { REDACTION_KINDS, type RedactionKind } from '../../src/redaction/masks.js';
import { Chance } from '../corpus/chance.js';
import { SORTS } from '../corpus/positives.js';

/** Something that must not come out, and the line that a program prints it in. */
export interface SampleSecret {
  readonly kind: RedactionKind;
  readonly secret: string;
  readonly line: string;
}

/** Mixed letters and digits; put together at run time so that no scanner takes this file for a leak. */
const mixed = (length: number, alphabet = 'Zq7Rw2Xk9Lm4Tv8Bn3Jh6Pd5'): string =>
  alphabet.repeat(Math.ceil(length / alphabet.length)).slice(0, length);

const PEM_BODY = [mixed(64), mixed(64, 'Mn8Vb6Cx4Zl2'), `${mixed(20)}==`];
const pem = (edge: string): string => `-----${edge} PRIVATE KEY-----`;

const HAND_PICKED: readonly SampleSecret[] = [
  inLine('api_key', generateKey().text, (key) => `SALLYPORT_KEY=${key}`),
  inLine('bearer_token', mixed(40), (token) => `> Authorization: Bearer ${token}`),
  { kind: 'private_key', secret: PEM_BODY[1] ?? '', line: [pem('BEGIN'), ...PEM_BODY, pem('END')].join('\n') },
  inLine('aws_access_key', 'AK' + 'IA' + mixed(16, 'Q7ZR2WXK'), (id) => `aws_access_key_id = ${id}`),
  inLine('aws_access_key', mixed(40, 'Hy5/Gt3+Rf'), (secret) => `aws_secret_access_key = ${secret}`),
  inLine('github_token', 'gh' + 'p_' + mixed(36), (token) => `https://x:${token}@github.com/`),
  inLine('slack_token', 'xo' + 'xb-1234567890-' + mixed(24), (token) => `slack: ${token}`),
  inLine('ssn', '123-45-' + '6789', (number) => `patient ${number} arrived`),
  inLine('email', 'jane.roe' + '@example.org', (address) => `From: <${address}>`),
  inLine('card_number', '4111 1111 ' + '1111 1111', (number) => `paid with ${number}`),
];

const chance = new Chance(3);

/** At least one of each kind that is recognised by its shape. */
export const SAMPLE_SECRETS: readonly SampleSecret[] = [
  ...HAND_PICKED,
  ...REDACTION_KINDS.filter((kind) => kind !== 'secret')
    .filter((kind) => HAND_PICKED.every((sample) => sample.kind !== kind))
    .map((kind) => inLine(kind, SORTS[kind].draw[0]?.(chance) ?? '', (secret) => SORTS[kind].places[0]?.replace('□', () => secret) ?? '')),
];

function inLine(kind: RedactionKind, secret: string, write: (secret: string) => string): SampleSecret {
  return { kind, secret, line: write(secret) };
}
