import { generateKey } from '../../src/auth/key-format.js';
import type { RedactionKind } from '../../src/redaction/masks.js';
import { ALNUM, BASE64, type Chance, DIGITS, HEX, LOWER, UPPER, WORDS } from './chance.js';
import { cardNumber, iban, socialSecurityNumber } from './people.js';

/** Draws one thing of a kind. Put together here so that no scanner takes this file for a leak. */
type Draw = (chance: Chance) => string;
/** Where it stands: `□` is the thing. */
interface Sort {
  readonly draw: readonly Draw[];
  readonly places: readonly string[];
}

const fixed =
  (prefix: string, alphabet: string, length: number): Draw =>
  (chance) =>
    prefix + chance.text(alphabet, length);
const between =
  (prefix: string, alphabet: string, least: number, most: number): Draw =>
  (chance) =>
    prefix + chance.text(alphabet, least + chance.below(most - least));

/** As programs, logs, shells and files show a token. */
const ANYWHERE = [
  '□',
  'token: □',
  'export API_TOKEN=□',
  '{"level":"info","token":"□","ok":true}',
  "curl -H 'X-Token: □' https://api.example.com/v1",
  '2026-01-02T03:04:05.678Z INFO using □ for the call',
  'https://api.example.com/v1/items?access_token=□&page=2',
  '{\\"key\\":\\"□\\"}',
  'key=□;',
  '  - name: KEY\n    value: □\n',
  'a line\r\n□\r\nanother',
  '<token>□</token>',
  'const client = new Client("□");',
  'env: SERVICE_KEY=□, DEBUG=1',
  '(□)',
];
const JSON_WEB = (chance: Chance): string => {
  const part = (data: unknown): string => Buffer.from(JSON.stringify(data)).toString('base64url');
  const header = part({ alg: chance.pick(['HS256', 'RS256', 'ES256', 'none']), typ: 'JWT' });
  return `${header}.${part({ sub: chance.text(DIGITS, 10), iat: 1_700_000_000 + chance.below(9_999_999) })}.${chance.text(WORDS, 43)}`;
};
const PASSWORDS: Draw = (chance) =>
  chance.pick([
    () => chance.text(LOWER, 6) + chance.text(DIGITS, 3),
    () => chance.text(UPPER, 1) + chance.text(LOWER, 6) + chance.text(DIGITS, 2) + '!',
    () => chance.text(ALNUM, 11) + chance.pick([...'!#$%*?']) + chance.text(DIGITS, 1),
    () => `${chance.text(LOWER, 5)}-${chance.text(LOWER, 4)}-${chance.text(DIGITS, 2)}`,
    () => chance.text(ALNUM, 15) + '9a',
  ])();
const URL_PASSWORDS: Draw = (chance) =>
  `${chance.text(LOWER, 4)}${chance.text(DIGITS, 2)}${chance.text(`${ALNUM}_.~-`, 4 + chance.below(20))}`;
const PEM: Draw = (chance) => {
  const label = chance.pick(['RSA ', '', 'EC ', 'OPENSSH ', 'ENCRYPTED ', 'DSA ']) + 'PRIVATE ' + 'KEY';
  const lines = Array.from({ length: 3 + chance.below(5) }, () => chance.text(BASE64, 64));
  return ['-----BEGIN ' + `${label}-----`, ...lines, `${chance.text(BASE64, 22)}==`, `-----END ${label}-----`].join('\n');
};
const user = (chance: Chance): string =>
  chance.pick([
    () => `${chance.text(LOWER, 5)}.${chance.text(LOWER, 7)}`,
    () => `${chance.text(LOWER, 6)}${chance.text(DIGITS, 2)}`,
    () => `${chance.text(LOWER, 4)}+${chance.text(LOWER, 3)}`,
    () => `${chance.text(LOWER, 3)}_${chance.text(LOWER, 3)}`,
    () => `${chance.text(UPPER, 1)}${chance.text(LOWER, 5)}-${chance.text(LOWER, 3)}`,
  ])();
const host = (chance: Chance): string =>
  `${chance.text(LOWER, 7)}.${chance.pick(['com', 'org', 'net', 'io', 'co.uk', 'de', 'dev', 'gov'])}`;
const PHONES: Draw = (chance) => {
  const area = `${2 + chance.below(8)}${chance.text(DIGITS, 2)}`;
  const rest = `${2 + chance.below(8)}${chance.text(DIGITS, 2)}`;
  const last = chance.text(DIGITS, 4);
  return chance.pick([
    `+1 ${area} ${rest} ${last}`,
    `+1-${area}-${rest}-${last}`,
    `+1${area}${rest}${last}`,
    `(${area}) ${rest}-${last}`,
    `${area}-${rest}-${last}`,
    `${area}.${rest}.${last}`,
    `+44 20 ${chance.text(DIGITS, 4)} ${last}`,
    `+49 30 ${chance.text(DIGITS, 6)}`,
    `+33 6 12 34 ${chance.text(DIGITS, 2)} ${chance.text(DIGITS, 2)}`,
    `+4915${chance.text(DIGITS, 9)}`,
  ]);
};

/** Each kind with its sorts. `secret`, the exact values of a run, has a property test of its own. */
export const SORTS: Record<Exclude<RedactionKind, 'secret'>, Sort> = {
  api_key: { draw: [() => generateKey().text], places: ANYWHERE },
  bearer_token: {
    draw: [between('', `${ALNUM}._-`, 24, 60), between('', WORDS, 32, 90)],
    places: [
      'Authorization: Bearer □',
      "-H 'Authorization: Bearer □'",
      '{"authorization":"Bearer □"}',
      '> authorization: bearer □\r\n',
      'sent Bearer □ to it',
    ],
  },
  basic_auth: {
    draw: [(chance) => Buffer.from(`${chance.text(LOWER, 5)}:${chance.text(ALNUM, 6 + chance.below(20))}`).toString('base64')],
    places: ['Authorization: Basic □', "-H 'Authorization: Basic □'", '{"authorization":"Basic □"}', 'proxy-authorization: basic □\r\n'],
  },
  private_key: { draw: [PEM], places: ['□\n', 'key:\n□\nend', 'cat id_rsa\n□\n$ '] },
  aws_access_key: {
    draw: [fixed('AK' + 'IA', `${UPPER}234567`, 16), fixed('AS' + 'IA', `${UPPER}234567`, 16)],
    places: ANYWHERE,
  },
  github_token: {
    draw: [
      ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((prefix) => fixed(prefix, ALNUM, 36)),
      fixed('github' + '_pat_', `${ALNUM}_`, 82),
    ],
    places: ANYWHERE,
  },
  gitlab_token: { draw: ['glpat-', 'gldt-', 'glptt-', 'glrt-'].map((prefix) => fixed(prefix, WORDS, 20)), places: ANYWHERE },
  slack_token: {
    draw: ['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-'].map(
      (prefix) => (chance) => `${prefix}${chance.text(DIGITS, 12)}-${chance.text(DIGITS, 12)}-${chance.text(ALNUM, 24)}`,
    ),
    places: ANYWHERE,
  },
  google_key: {
    draw: [fixed('AI' + 'za', WORDS, 35), fixed('GOC' + 'SPX-', WORDS, 28), between('ya' + '29.', WORDS, 60, 120)],
    places: ANYWHERE,
  },
  stripe_key: {
    draw: ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_']
      .flatMap((prefix) => [fixed(prefix, ALNUM, 24), fixed(prefix, ALNUM, 99)])
      .concat(fixed('whsec' + '_', ALNUM, 32)),
    places: ANYWHERE,
  },
  openai_key: {
    draw: [
      (chance) => `sk-${chance.text(ALNUM, 20)}T3BlbkFJ${chance.text(ALNUM, 20)}`,
      fixed('sk-' + 'proj-', WORDS, 120),
      fixed('sk-' + 'svcacct-', WORDS, 60),
    ],
    places: ANYWHERE,
  },
  anthropic_key: { draw: [fixed('sk-' + 'ant-api03-', WORDS, 95), fixed('sk-' + 'ant-admin01-', WORDS, 95)], places: ANYWHERE },
  npm_token: { draw: [fixed('np' + 'm_', ALNUM, 36)], places: [...ANYWHERE, '//registry.npmjs.org/:_authToken=□'] },
  pypi_token: {
    draw: [fixed('py' + 'pi-AgEIcHlwaS5vcmc', WORDS, 140), fixed('py' + 'pi-AgENdGVzdC5weXBpLm9yZw', WORDS, 120)],
    places: ANYWHERE,
  },
  huggingface_token: { draw: [fixed('h' + 'f_', UPPER + LOWER, 34)], places: ANYWHERE },
  azure_key: {
    draw: [(chance) => `${chance.text(BASE64, 86)}==`],
    places: [
      'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=□;EndpointSuffix=core.windows.net',
      'conn="AccountName=a;AccountKey=□"',
    ],
  },
  twilio_key: { draw: [fixed('S' + 'K', HEX, 32)], places: ANYWHERE },
  sendgrid_key: { draw: [(chance) => ['S' + 'G', chance.text(WORDS, 22), chance.text(WORDS, 43)].join('.')], places: ANYWHERE },
  vault_token: { draw: ['hvs.', 'hvb.', 'hvr.'].map((prefix) => fixed(prefix, WORDS, 90)), places: ANYWHERE },
  databricks_token: { draw: [fixed('da' + 'pi', HEX, 32)], places: ANYWHERE },
  service_token: {
    draw: [
      fixed('dop' + '_v1_', HEX, 64),
      fixed('shp' + 'at_', HEX, 32),
      fixed('dckr' + '_pat_', WORDS, 27),
      fixed('gls' + 'a_', ALNUM, 41),
      fixed('PM' + 'AK-', HEX, 59),
      fixed('gs' + 'k_', ALNUM, 52),
      fixed('ts' + 'key-auth-', ALNUM, 30),
      fixed('rub' + 'ygems_', HEX, 48),
      fixed('ATA' + 'TT3', WORDS, 180),
      fixed('AGE-' + 'SECRET-KEY-1', `${UPPER}${DIGITS}`, 58),
    ],
    places: ANYWHERE,
  },
  jwt: { draw: [JSON_WEB], places: ANYWHERE },
  url_password: {
    draw: [URL_PASSWORDS],
    places: [
      'postgres://app:□@db.internal:5432/prod',
      'redis://:□@cache:6379/0',
      'DATABASE_URL=mysql://root:□@127.0.0.1/app',
      'mongodb+srv://svc:□@cluster0.example.net/',
      '"url":"amqp://guest:□@mq/"',
      'git clone https://deploy:□@git.example.com/a.git',
    ],
  },
  password: {
    draw: [PASSWORDS],
    places: [
      'password=□',
      'DB_PASSWORD=□\n',
      '{"password":"□"}',
      'password: □',
      "passwd = '□'",
      'Server=db;User Id=sa;Password=□;Encrypt=true',
      'mysql --password=□ app',
      'login --password □ now',
      'PGPASSWORD="□"',
      '  db_password: "□"\n',
      'user=alice&password=□&x=1',
    ],
  },
  credential: {
    draw: [fixed('', HEX, 32), fixed('', HEX, 40), fixed('', ALNUM, 32), fixed('', ALNUM, 24), fixed('', BASE64, 40), fixed('', WORDS, 43)],
    places: [
      'api_key=□',
      'API_KEY: "□"',
      '{"client_secret":"□"}',
      "auth_token = '□'",
      'X-Api-Key: □',
      '--token □ ',
      'SECRET_KEY=□\n',
      'accessToken: "□"',
      'secret: □\n',
      '?api-key=□&page=1',
    ],
  },
  ssn: {
    draw: [socialSecurityNumber],
    places: ['□', 'SSN: □', '{"ssn":"□"}', 'patient □ arrived', 'name,□,1980-01-01', '(□)', 'id □.', "ssn='□'"],
  },
  email: {
    draw: [(chance) => `${user(chance)}@${host(chance)}`],
    places: [
      '□',
      'From: <□>',
      'to □.',
      '{"email":"□"}',
      'user=□&x=1',
      'mailto:□?subject=hi',
      'name;□;active',
      '(□)',
      'login failed for □: bad password',
      'a\\n□\\n',
    ],
  },
  card_number: {
    draw: [(chance) => cardNumber(chance, '')],
    places: [
      '□',
      'card □',
      'pan=□&cvc=123',
      '{"number":"□"}',
      'paid with □ today',
      'Visa ending... full: □',
      '□,12/27,123',
      'card number: □',
    ],
  },
  iban: { draw: [iban], places: ['□', 'IBAN: □', '{"iban":"□"}', 'pay to □ today', 'a;□;b', 'IBAN □.'] },
  phone: {
    draw: [PHONES],
    places: ['phone: □', 'Tel. □', '{"phone":"□"}', 'call □ now', 'mobile □, office closed', 'contact us at □.', 'fax: □'],
  },
};
