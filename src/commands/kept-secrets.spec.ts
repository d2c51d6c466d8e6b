import { describe, expect, it } from '@jest/globals';
import { commandOf, mistakesOf } from '../../test/kit/catalogue-of.js';
import type { ProcessInvocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';

const head = 'commands:\n  test:\n    summary: Test\n    effect: read\n';
/** The mistakes of a command with these keys, without their places. */
async function mistakes(...lines: string[]): Promise<string[]> {
  return (await mistakesOf(`${head}${lines.map((line) => `    ${line}\n`).join('')}`)).map((text) =>
    text.replace(/^.*commands\.test\.?/, ''),
  );
}

describe('secrets in a declaration', () => {
  it.each<[string, string[], string[]]>([
    [
      'by env in argv',
      ['exec: [echo, "{TOKEN}"]', 'secrets: { TOKEN: { env: true } }'],
      ['secrets.TOKEN: a secret never stands in argv: use { file: true }, and its path does'],
    ],
    [
      'by stdin in argv',
      ['exec: [echo, "--x={TOKEN}"]', 'secrets: { TOKEN: { stdin: true } }'],
      ['secrets.TOKEN: a secret never stands in argv: use { file: true }, and its path does'],
    ],
    ['in argv without a way', ['exec: [echo, "{TOKEN}"]'], ['exec.1: there is no param of the name TOKEN']],
    [
      'within a word of argv',
      ['exec: [echo, "x{TOKEN}"]', 'secrets: { TOKEN: { file: true } }'],
      [
        'exec.1: a placeholder must be a whole element, or the tail of --name={x}',
        'secrets.TOKEN: goes via a file: its placeholder belongs into argv',
      ],
    ],
    [
      'as a condition',
      ['exec: [echo, "{TOKEN}", { if: TOKEN, add: [x] }]', 'secrets: { TOKEN: { file: true } }'],
      ['exec.2: there is no param of the name TOKEN'],
    ],
    [
      'as code',
      ['exec: [sh, -c, "{TOKEN}"]', 'secrets: { TOKEN: { file: true } }'],
      ['exec: a param would be run as code: use script, where arguments are positional parameters'],
    ],
    [
      'via a file that is nowhere',
      ['exec: [echo]', 'secrets: { TOKEN: { file: true } }'],
      ['secrets.TOKEN: goes via a file: its placeholder belongs into argv'],
    ],
    [
      'as the value of a variable',
      ['exec: [echo]', 'env: { X: "{TOKEN}" }', 'secrets: { TOKEN: { env: true } }'],
      ['env.X: there is no param of the name TOKEN'],
    ],
    [
      'on stdin by its placeholder',
      ['exec: [cat]', 'stdin: "{TOKEN}"', 'secrets: { TOKEN: { env: true } }'],
      ['stdin: there is no param of the name TOKEN'],
    ],
    [
      'in a variable that is set',
      ['exec: [echo]', 'env: { TOKEN: x }', 'secrets: { TOKEN: { env: true } }'],
      ['secrets.TOKEN: the variable TOKEN is set in env already'],
    ],
    [
      'in one variable with another',
      ['exec: [echo]', 'secrets: { A: { env: X }, B: { env: X } }'],
      ['secrets.A: another secret is in the variable X already', 'secrets.B: another secret is in the variable X already'],
    ],
    [
      'in a variable that runs code',
      ['exec: [echo]', 'secrets: { LD_PRELOAD: { env: true } }'],
      ['secrets.LD_PRELOAD: is a variable that makes programs load or run other code: it cannot be declared'],
    ],
    [
      'in a variable that steers programs',
      ['exec: [echo]', 'secrets: { A: { env: GIT_DIR } }'],
      ['secrets.A: decides what programs do: give it a fixed value, not a param'],
    ],
    [
      'two on stdin',
      ['exec: [cat]', 'secrets: { A: { stdin: true }, B: { stdin: true } }'],
      ['secrets.A: another secret goes to stdin already', 'secrets.B: another secret goes to stdin already'],
    ],
    [
      'on stdin with a param',
      ['exec: [cat]', 'params: { x: { type: text } }', 'stdin: "{x}"', 'secrets: { A: { stdin: true } }'],
      ['secrets.A: stdin has a param already'],
    ],
    [
      'with a cached result',
      ['exec: [cat]', 'cache: 1min', 'secrets: { A: { stdin: true } }'],
      ['cache: results that depend on a secret may not be cached'],
    ],
    ['for a builtin', ['builtin: greet', 'secrets: { A: { env: true } }'], ['secrets: a builtin takes no secrets']],
    [
      'for a question to a model',
      ['llm: { prompt: hello }', 'secrets: { A: { env: true } }'],
      ['secrets: a question to a language model takes no secrets'],
    ],
    [
      'for a request to OBS',
      ['obs: { request: GetVersion }', 'secrets: { A: { env: true } }'],
      ['secrets: a request to OBS takes no secrets'],
    ],
    [
      'of a small name',
      ['exec: [echo]', 'secrets: { token: { env: true } }'],
      ['secrets.token: expected a name such as GITHUB_TOKEN: capitals, digits and _, at most 64 characters'],
    ],
    [
      'two ways at once',
      ['exec: [echo]', 'secrets: { A: { env: true, stdin: true } }'],
      ['secrets.A: expected { env: true }, { env: NAME }, { stdin: true }, { file: true } or { request: true }'],
    ],
    [
      'no way',
      ['exec: [echo]', 'secrets: { A: {} }'],
      ['secrets.A: expected { env: true }, { env: NAME }, { stdin: true }, { file: true } or { request: true }'],
    ],
    [
      'by argv',
      ['exec: [echo]', 'secrets: { A: { argv: true } }'],
      ['secrets.A: expected { env: true }, { env: NAME }, { stdin: true }, { file: true } or { request: true }'],
    ],
    [
      'with its value',
      ['exec: [echo]', 'secrets: { A: hunter22 }'],
      ['secrets.A: expected { env: true }, { env: NAME }, { stdin: true }, { file: true } or { request: true }'],
    ],
  ])('are a mistake %s', async (_what, lines, expected) => {
    expect(await mistakes(...lines)).toEqual(expected);
  });
});

describe('a command with secrets', () => {
  const values: Record<string, string> = { TOKEN: '$(id) {KEY}', PASSWORD: 'one\ntwo lines of it', KEY: '-- key', UNUSED: 'unused value' };
  const asked: string[][] = [];
  const reveal = (names: readonly string[]): Promise<readonly string[]> => {
    asked.push([...names]);
    return Promise.resolve(names.map((name) => values[name] ?? ''));
  };
  const declaration = {
    exec: ['echo', '--key={KEY}', '{word}', { if: 'word', add: ['{KEY}'] }],
    params: { word: { type: 'string' }, own: { type: 'secret' } },
    env: { OWN: '{own}' },
    secrets: { TOKEN: { env: 'GH_TOKEN' }, PASSWORD: { stdin: true }, KEY: { file: true } },
  };

  it('gets each where it belongs and as it is, and argv has the path of a file alone', async () => {
    const command = await commandOf(declaration, { reveal });
    const preparation = await command.prepare({ word: 'x', own: 'own secret' });
    const invocation = preparation.invocation as ProcessInvocation;
    expect(invocation.argv).toEqual(['echo', '--key=\0{KEY}', 'x', '\0{KEY}']);
    expect(invocation.files).toEqual([{ placeholder: '\0{KEY}', content: values['KEY'] }]);
    expect(invocation.stdin).toBe(values['PASSWORD']);
    expect(invocation.env).toMatchObject({ GH_TOKEN: values['TOKEN'], OWN: 'own secret' });
    expect(preparation.args).toEqual({ word: 'x', own: '«secret»' });
    expect(preparation.secrets).toEqual(['own secret', values['KEY'], values['PASSWORD'], 'two lines of it', values['TOKEN']]);
    expect(asked.at(-1)).toEqual(['KEY', 'PASSWORD', 'TOKEN']);
    expect(command.secrets).toEqual(['KEY', 'PASSWORD', 'TOKEN']);
  });

  it('cannot be given them, nor others, by a caller', async () => {
    const command = await commandOf(declaration, { reveal });
    for (const name of ['TOKEN', 'KEY', 'UNUSED'])
      await expect(command.prepare({ word: 'x', own: 'own secret', [name]: 'mine' })).rejects.toMatchObject({ code: 'invalid_arguments' });
    expect(JSON.stringify(command.argumentsSchema)).not.toMatch(/TOKEN|KEY|PASSWORD/);
  });

  it('asks for them at each call and after its arguments are checked; its digest does not depend on them', async () => {
    const command = await commandOf({ exec: ['true'], secrets: { TOKEN: { env: true } } }, { reveal });
    const before = asked.length;
    await expect(command.prepare({ x: 1 })).rejects.toMatchObject({ code: 'invalid_arguments' });
    expect(asked).toHaveLength(before);
    const first = await command.prepare({});
    values['TOKEN'] = 'another value';
    const second = await command.prepare({});
    expect((second.invocation as ProcessInvocation).env['TOKEN']).toBe('another value');
    expect(second.argsDigest).toBe(first.argsDigest);
  });

  it('is refused when there is none, and one without secrets asks nobody', async () => {
    const refusing = { reveal: () => Promise.reject(new GatewayError('secret_missing', 'No.')) };
    const needy = await commandOf({ exec: ['true'], secrets: { TOKEN: { env: true } } }, refusing);
    await expect(needy.prepare({})).rejects.toMatchObject({ code: 'secret_missing' });
    await (await commandOf({ exec: ['true'] }, refusing)).prepare({});
  });
});
