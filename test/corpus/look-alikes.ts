import { ALNUM, BASE64, type Chance, DIGITS, HEX, LOWER, UPPER, WORDS } from './chance.js';
import { withCheckDigit } from './people.js';

const uuid = (chance: Chance): string =>
  [8, 4, 4, 4, 12].map((length, index) => (index === 2 ? `4${chance.text(HEX, 3)}` : chance.text(HEX, length))).join('-');
const number = (chance: Chance, least: number, most: number): string => String(least + chance.below(most - least));
const version = (chance: Chance): string => `${chance.below(30)}.${chance.below(30)}.${chance.below(99)}`;
const name = (chance: Chance): string => chance.text(LOWER, 4 + chance.below(6));

/** What resembles something personal or secret and is none, by the name of what it is. */
export const LOOK_ALIKES: Readonly<Record<string, (chance: Chance) => string>> = {
  'order id that passes the Luhn check': (chance) => `order_id=${withCheckDigit(`4${chance.text(DIGITS, 14)}`)}`,
  'order id in JSON': (chance) => `{"orderId":"${withCheckDigit(`5${1 + chance.below(5)}${chance.text(DIGITS, 13)}`)}"}`,
  'timestamp in milliseconds': (chance) => `at ${1_600_000_000_000 + chance.below(199_999_999_999)} ms`,
  'timestamp in seconds': (chance) => `ts=${1_600_000_000 + chance.below(199_999_999)}`,
  'timestamp in nanoseconds': (chance) => `time="${1_600_000_000 + chance.below(99_999_999)}${chance.text(DIGITS, 9)}"`,
  'ISO date and time': (chance) =>
    `2026-${String(1 + chance.below(12)).padStart(2, '0')}-11T12:34:${chance.text('12345', 2)}.${chance.text(DIGITS, 3)}+02:00 started`,
  version: (chance) => `version ${version(chance)}`,
  'semver range': (chance) => `"${name(chance)}": "${chance.pick(['^', '~', '>='])}${version(chance)}"`,
  'package at a version': (chance) => `${name(chance)}@${version(chance)}`,
  'scoped package at a tag': (chance) => `npm i @${name(chance)}/${name(chance)}@${chance.pick(['latest', 'next', '1.2.3-rc.1'])}`,
  'git remote': (chance) => `git@github.com:${name(chance)}/${name(chance)}.git`,
  'remote path of scp': (chance) => `scp ${name(chance)}@${name(chance)}.example.com:/srv/${name(chance)} .`,
  'action at a version': (chance) => `uses: actions/${name(chance)}@v${chance.below(9)}`,
  'image by digest': (chance) => `${name(chance)}@sha256:${chance.text(HEX, 64)}`,
  'digest of SHA-256': (chance) => `sha256: ${chance.text(HEX, 64)}`,
  'commit id': (chance) => `commit ${chance.text(HEX, 40)}`,
  'MD5 sum': (chance) => `${chance.text(HEX, 32)}  ${name(chance)}.tar.gz`,
  'integrity of a package': (chance) => `"integrity": "sha512-${chance.text(BASE64, 86)}=="`,
  uuid: (chance) => `id ${uuid(chance)}`,
  'uuid in an address': (chance) => `GET /v1/items/${uuid(chance)}?page=2`,
  'trace context': (chance) => `traceparent: 00-${chance.text(HEX, 32)}-${chance.text(HEX, 16)}-01`,
  'hex colour': (chance) => `color: #${chance.text(HEX, 6)}; background: #${chance.text(HEX, 3)}`,
  'IPv4 address': (chance) => `${chance.below(256)}.${chance.below(256)}.${chance.below(256)}.${chance.below(256)}:${chance.below(65_536)}`,
  'IPv6 address': (chance) => `[2001:db8:${chance.text(HEX, 4)}:${chance.text(HEX, 4)}::${chance.text(HEX, 4)}]:443`,
  'MAC address': (chance) => Array.from({ length: 6 }, () => chance.text(HEX, 2)).join(':'),
  'number like a telephone': (chance) => `part ${number(chance, 200, 999)}-${number(chance, 200, 999)}-${number(chance, 1000, 9999)}`,
  'bare ten digits': (chance) => `job ${number(chance, 2_000_000_000, 9_999_999_999)} done`,
  'line of a diff': (chance) => `+${number(chance, 1_000_000_000, 9_999_999_999)}`,
  'time zone': (chance) => `+0${chance.below(9)}00, +0${chance.below(9)}:30`,
  'ticket like an SSN': (chance) => `ticket ${chance.text(DIGITS, 4)}-${chance.text(DIGITS, 2)}-${chance.text(DIGITS, 4)}`,
  'SSN that was never issued': (chance) =>
    `${chance.pick(['000', '666', `9${chance.text(DIGITS, 2)}`])}-${chance.text('123456789', 2)}-${chance.text('123456789', 4)}`,
  'nine bare digits': (chance) => `id ${number(chance, 100_000_000, 999_999_999)}`,
  'card number with a wrong check digit': (chance) => {
    const right = withCheckDigit(`4${chance.text(DIGITS, 14)}`);
    return `card ${right.slice(0, -1)}${(Number(right.at(-1)) + 1 + chance.below(8)) % 10}`;
  },
  'column of numbers': (chance) => Array.from({ length: 6 }, () => number(chance, 1000, 9999)).join(' '),
  'IBAN with a wrong check': (chance) => `DE00${chance.text(DIGITS, 18)}`,
  'code in capitals': (chance) => `${chance.text(UPPER, 2)}${chance.text(DIGITS, 2)} ${chance.text(UPPER + DIGITS, 4)}`,
  'photo for two densities': (chance) => `${name(chance)}@2x.png`,
  'systemd unit': (chance) => `${name(chance)}@${name(chance)}.service`,
  mention: (chance) => `thanks @${name(chance)}!`,
  decorator: () => '@Injectable() export class A {}',
  'password in code': (chance) =>
    chance.pick([
      'password: string',
      'const password = readPassword()',
      'password?: string;',
      'passwordHash: hash(password)',
      'if (password === undefined) return',
      'password = options.password',
      '"type": "password"',
    ]),
  'password from the surroundings': (chance) =>
    chance.pick([
      'password=${DB_PASSWORD}',
      'PASSWORD=$SECRET',
      'password: <password>',
      'password: "********"',
      'password: {{ .Values.password }}',
      'PASSWORD_FILE=/run/secrets/db1',
      'PWD=/home/app/v1.2',
      'password: process.env.DB_PW1',
      'password: changeme',
    ]),
  'token in code': (chance) =>
    chance.pick([
      'token: string',
      'const token = await nextToken(1)',
      'token.kind === SyntaxKind.Identifier1',
      'tokens: 128000',
      'secretName: my-app-secret-2',
      'secret: my-application-secret-v1',
      'apiKey: process.env.API_KEY',
      'token_type: bearer',
      'max_tokens=4096',
      'api_key: your-api-key-goes-here-1',
      'token: xxxxxxxxxxxxxxxxxxxx',
    ]),
  'address without a password': (chance) => `https://${name(chance)}.example.com:8443/a@b`,
  'address with a user': (chance) => `https://${name(chance)}@example.com/path`,
  'documented connection string': (chance) =>
    chance.pick([
      'postgres://user:password@localhost/db',
      'postgres://${USER}:${PASSWORD}@db/x',
      'redis://user:<password>@host',
      'http://user:pass@host/',
    ]),
  'prose about bearers': (chance) =>
    chance.pick([
      'the bearer of this letter',
      'Bearer authentication is required',
      'Authorization: Bearer <token>',
      'Authorization: Bearer $TOKEN',
      'WWW-Authenticate: Bearer realm="x"',
    ]),
  'prose about basics': (chance) =>
    chance.pick(['Basic authentication', 'basic understanding of it', 'Basic realm="x"', 'Visual Basic programming1']),
  certificate: (chance) => ['-----BEGIN ' + 'CERTIFICATE-----', chance.text(BASE64, 64), '-----END ' + 'CERTIFICATE-----'].join('\n'),
  'public key': (chance) => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${chance.text(BASE64, 43)} ${name(chance)}`,
  'prefix with a placeholder': (chance) =>
    chance.pick([
      'ghp_your_token_here',
      'glpat-your-token-goes-here-now',
      'xoxb-your-slack-bot-token-goes-here',
      'sk-your-openai-key',
      'npm_config_registry',
      'hf_hub_download',
      'sk_live_...',
      'AKIA...',
      'sk-ant-xxxxxxxxxxxxxxxxxxxxxxxx',
    ]),
  'name in snake case': (chance) => `${name(chance)}_${name(chance)}_${name(chance)}_${number(chance, 1, 99)}`,
  'class of a style sheet': (chance) => `<div class="sk-${name(chance)}-${name(chance)} sk-circle${chance.below(12)}">`,
  'base64 of an image': (chance) => `data:image/png;base64,iVBORw0KGgo${chance.text(BASE64, 120)}`,
  'id of an object': (chance) => `_id: ${chance.text(HEX, 24)}`,
  'random id': (chance) => `request ${chance.text(WORDS, 21)} done`,
  'build number': (chance) => `build 20${chance.text('12', 1)}${chance.text(DIGITS, 9)} (${chance.text(ALNUM, 7)})`,
  coordinates: (chance) => `${chance.below(90)}.${chance.text(DIGITS, 6)}, -${chance.below(180)}.${chance.text(DIGITS, 6)}`,
  money: (chance) => `$${chance.below(999)},${chance.text(DIGITS, 3)}.${chance.text(DIGITS, 2)}`,
};
