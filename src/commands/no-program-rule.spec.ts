import { describe, expect, it } from '@jest/globals';
import { commandSchema } from './catalogue-schema.js';
import { declarationMistakes } from './declaration-rules.js';

const question = { question: { type: 'string' } };
const KINDS = {
  builtin: { builtin: 'greet' },
  http: { http: { url: 'https://api.example.com/' } },
  knowledge: { knowledge: { folders: ['docs'], search: '{question}' }, params: question },
  llm: { llm: { prompt: 'Hello' } },
  obs: { obs: { request: 'GetVersion' } },
} as const;

/** One key each that only a program can be given. */
const KEYS: readonly (readonly [path: string, declaration: object])[] = [
  ['env', { env: { A: 'b' } }],
  ['cwd', { cwd: '/tmp' }],
  ['stdin', { stdin: '{question}' }],
  ['sandbox', { sandbox: { profile: 'pure' } }],
  ['sandbox', { sandbox: { read: ['/opt'] } }],
  ['limits.memory', { limits: { memory: '1GiB' } }],
  ['limits.processes', { limits: { processes: 8 } }],
  ['limits.cpu', { limits: { cpu: '10s' } }],
  ['limits.file', { limits: { file: '1MiB' } }],
  ['limits.openFiles', { limits: { openFiles: 16 } }],
];

function placesOf(declaration: object): readonly string[] {
  const parsed = commandSchema.parse({ summary: 'Test', effect: 'read', ...declaration });
  return declarationMistakes(parsed, ['greet']).map(({ path }) => path.join('.'));
}

describe('a command that starts no program', () => {
  const cases = Object.entries(KINDS).flatMap(([kind, section]) => KEYS.map(([path, key]) => [kind, path, section, key] as const));

  it.each(cases)('of the kind %s may not say %s, which would have no effect', (_kind, path, section, key) => {
    expect(placesOf(section)).toEqual([]);
    expect(placesOf({ ...section, ...key })).toContain(path);
  });

  it.each(Object.entries(KINDS))('of the kind %s has no files', (_kind, section) => {
    const params = { ...('params' in section ? section.params : {}), long: { type: 'text', via: 'file' } };
    expect(placesOf({ ...section, params })).toContain('params.long');
  });

  it.each(['builtin', 'http', 'llm', 'obs'] as const)('of the kind %s cannot be left out for want of something on the host', (kind) => {
    expect(placesOf({ ...KINDS[kind], optional: true })).toEqual(['optional']);
  });

  it('leaves a program what is its own', () => {
    for (const [, key] of KEYS.filter(([path]) => path !== 'stdin')) expect(placesOf({ exec: ['true'], ...key })).toEqual([]);
  });
});
