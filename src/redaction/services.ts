import type { RedactionKind } from './masks.js';
import { ALPHANUMERIC, charSet } from './reader.js';
import { ANY_HEX, BASE64, LOWER_HEX, WORD_DASH, WORD_DASH_DOT, classesOf, looksRandom, type Shape } from './shapes.js';

const CAPITALS = charSet('A-Z0-9');
const ANY_BODY = (): boolean => true;

/** Tokens whose form their issuers publish, or that are seen to be of it. Lengths are those of today; where issuers say that they may grow, there is no upper end. */
export const SHAPES: readonly (Shape & { readonly kind: RedactionKind })[] = [
  ...['glpat-', 'gldt-', 'glptt-', 'glrt-', 'glsoat-', 'glcbt-', 'glft-', 'glimt-', 'glagent-', 'gloas-', 'glffct-'].map((prefix) =>
    open('gitlab_token', prefix, WORD_DASH, 20),
  ),
  open('gitlab_token', 'GR1348941', WORD_DASH, 20),
  exact('google_key', 'AIza', WORD_DASH, 35),
  exact('google_key', 'GOCSPX-', WORD_DASH, 28),
  open('google_key', 'ya29.', WORD_DASH, 20),
  open('google_key', '1//0', WORD_DASH, 30),
  ...['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'].map((prefix) => open('stripe_key', prefix, ALPHANUMERIC, 16)),
  open('stripe_key', 'whsec_', BASE64, 24),
  open('anthropic_key', 'sk-ant-', WORD_DASH, 20),
  ...['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-None-'].map((prefix) => open('openai_key', prefix, WORD_DASH, 20)),
  open('openai_key', 'sk-', ALPHANUMERIC, 20),
  exact('npm_token', 'npm_', ALPHANUMERIC, 36),
  open('pypi_token', 'pypi-AgE', WORD_DASH, 40),
  { kind: 'huggingface_token', prefix: 'hf_', body: ALPHANUMERIC, min: 30, max: 40 },
  { kind: 'huggingface_token', prefix: 'api_org_', body: ALPHANUMERIC, min: 30, max: 40 },
  exact('twilio_key', 'SK', LOWER_HEX, 32),
  ...['hvs.', 'hvb.', 'hvr.'].map((prefix) => open('vault_token', prefix, WORD_DASH, 24)),
  { kind: 'sendgrid_key', prefix: 'SG.', body: WORD_DASH_DOT, min: 66, max: 66, notBefore: WORD_DASH },
  { kind: 'databricks_token', prefix: 'dapi', body: LOWER_HEX, min: 32, max: 34 },
  ...services(),
];

function services(): (Shape & { kind: 'service_token' })[] {
  const hex: readonly [string, number][] = [
    ['dop_v1_', 64],
    ['doo_v1_', 64],
    ['dor_v1_', 64],
    ['shpat_', 32],
    ['shpca_', 32],
    ['shppa_', 32],
    ['shpss_', 32],
    ['pul-', 40],
    ['rubygems_', 48],
    ['sbp_', 40],
    ['key-', 32],
    ['sk-or-v1-', 64],
    ['sqp_', 40],
    ['sqa_', 40],
    ['squ_', 40],
  ];
  const words: readonly [string, number][] = [
    ['dckr_pat_', 27],
    ['ATATT3', 60],
    ['ATCTT3', 60],
    ['glsa_', 32],
    ['glc_', 32],
    ['lin_api_', 32],
    ['ntn_', 40],
    ['secret_', 43],
    ['PMAK-', 48],
    ['NRAK-', 27],
    ['sntrys_', 40],
    ['sntryu_', 40],
    ['dp.pt.', 40],
    ['dp.st.', 40],
    ['sq0atp-', 22],
    ['sq0csp-', 40],
    ['pscale_tkn_', 32],
    ['pscale_pw_', 32],
    ['HRKU-', 36],
    ['gsk_', 40],
    ['r8_', 36],
    ['xai-', 60],
    ['pplx-', 40],
    ['figd_', 36],
    ['tskey-auth-', 20],
    ['tskey-api-', 20],
    ['nfp_', 36],
    ['bkua_', 40],
  ];
  return [
    ...hex.map(([prefix, length]) => exact('service_token', prefix, prefix === 'sk-or-v1-' ? ANY_HEX : LOWER_HEX, length)),
    ...words.map(([prefix, min]) => open('service_token', prefix, WORD_DASH, min)),
    { kind: 'service_token', prefix: 'AGE-SECRET-KEY-1', body: CAPITALS, min: 58, max: 58, check: ANY_BODY },
    { kind: 'service_token', prefix: 'dt0c01.', body: WORD_DASH_DOT, min: 60, check: (body) => classesOf(body) >= 2 },
  ];
}

function open<Kind extends RedactionKind>(kind: Kind, prefix: string, body: Shape['body'], min: number): Shape & { kind: Kind } {
  return { kind, prefix, body, min, check: looksRandom };
}

function exact<Kind extends RedactionKind>(kind: Kind, prefix: string, body: Shape['body'], length: number): Shape & { kind: Kind } {
  return { kind, prefix, body, min: length, max: length, check: looksRandom };
}
