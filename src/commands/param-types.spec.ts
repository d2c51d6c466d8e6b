import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { commandOf, mistakesOf, refusalsOf, temporaryFolder } from '../../test/kit/catalogue-of.js';
import type { ProcessInvocation } from '../domain/command.js';
import { PARAM_TYPES, type ParamTypeName } from './param-types.js';

const root = temporaryFolder();
mkdirSync(join(root, 'dir'));

/** For each type: a declaration, values it takes, as what they arrive, and values it refuses. A type without a line here fails the build. */
const RULES: Record<ParamTypeName, { declaration: object; takes: readonly (readonly [unknown, string])[]; refuses: readonly unknown[] }> = {
  string: {
    declaration: { pattern: '[a-z ]+|[$(;|&`]+', minLength: 1, maxLength: 8 },
    takes: [
      ['a b', 'a b'],
      ['$(;|&`', '$(;|&`'],
    ],
    refuses: ['', 'abc1', 'abcdefghi', 'a\nb', 'a\0', 'a\u001b', '\ud800', 5, null, ['a'], { a: 1 }],
  },
  integer: {
    declaration: { max: 9 },
    takes: [
      [0, '0'],
      [-0, '0'],
      [9, '9'],
    ],
    refuses: [10, -1, 1.5, '5', NaN, Infinity, 2 ** 60, true, null, []],
  },
  number: {
    declaration: { max: 9 },
    takes: [
      [1.5, '1.5'],
      [1e-9, '1e-9'],
    ],
    refuses: [9.1, -0.1, '1.5', NaN, -Infinity, null],
  },
  boolean: {
    declaration: {},
    takes: [
      [true, 'true'],
      [false, 'false'],
    ],
    refuses: ['true', 1, null],
  },
  enum: { declaration: { values: ['a', 'b'] }, takes: [['a', 'a']], refuses: ['A', 'c', '', 0, 'toString', '__proto__'] },
  path: {
    declaration: { root },
    takes: [
      ['dir', join(root, 'dir')],
      ['.', root],
      ['new', join(root, 'new')],
    ],
    refuses: ['', '..', '/etc', 'a\0b', 'a\nb', '\udfff', '-rf', 5, 'x'.repeat(5_000)],
  },
  folder: {
    declaration: { folders: { here: root, there: join(root, 'dir') } },
    takes: [
      ['here', root],
      ['there', join(root, 'dir')],
    ],
    refuses: ['dir', '.', '..', root, '/etc', 'HERE', '', 'toString', '__proto__', 5, null],
  },
  url: {
    declaration: { hosts: ['*'] },
    takes: [['https://example.com', 'https://example.com/']],
    refuses: ['http://example.com', 'https://10.0.0.1', '-x', 'a\0', 5],
  },
  hostname: {
    declaration: {},
    takes: [
      ['Example.COM', 'example.com'],
      ['192.168.0.1', '192.168.0.1'],
    ],
    refuses: ['-oProxyCommand=x', 'a..b', 'a b', 'a\n', 'a;b', '', 'a'.repeat(64), `${'a.'.repeat(130)}a`],
  },
  duration: {
    declaration: { min: '1s', max: '2min' },
    takes: [
      ['1s', '1'],
      ['1.5s', '1.5'],
      ['2min', '120'],
    ],
    refuses: ['3min', '10ms', '1', 's', '-5s', 5],
  },
  json: {
    declaration: { maxLength: 40 },
    takes: [
      [{ a: [1, null] }, '{"a":[1,null]}'],
      ['$(id)', '"$(id)"'],
      ['\u0000', '"\\u0000"'],
    ],
    refuses: [
      -1,
      'x'.repeat(50),
      JSON.parse('{"__proto__":1}'),
      JSON.parse('[{"a":{"__proto__":{}}}]'),
      JSON.parse('['.repeat(40) + ']'.repeat(40)),
      NaN,
    ],
  },
  text: {
    declaration: { maxLength: 8 },
    takes: [
      ['a\nb\t-', 'a\nb\t-'],
      ['', ''],
    ],
    refuses: ['a\0', '\ud800', 'x'.repeat(9), 5],
  },
  secret: { declaration: { maxLength: 8 }, takes: [['-a\nb', '-a\nb']], refuses: ['', 'a\0', '\ud800', 'x'.repeat(9), 5, '«secret»'] },
};

const types = Object.keys(PARAM_TYPES) as ParamTypeName[];
const inArgv = types.filter((type) => PARAM_TYPES[type].mayStandInArgv);

async function withParam(type: ParamTypeName, more: object = {}) {
  const params = { x: { type, ...RULES[type].declaration, ...more } };
  return commandOf(
    PARAM_TYPES[type].mayStandInArgv ? { exec: ['echo', '{x}', '--opt={x}'], params } : { exec: ['echo'], stdin: '{x}', params },
  );
}

const arrivals = ({ argv, stdin }: ProcessInvocation) => (argv.length > 1 ? argv.slice(1) : [stdin]);

describe('every type of param (T02)', () => {
  it.each(types)('%s takes what fits and hands it over unchanged', async (type) => {
    const command = await withParam(type);
    for (const [value, arrival] of RULES[type].takes) {
      const { invocation, args } = await command.prepare({ x: value });
      expect(arrivals(invocation as ProcessInvocation)).toEqual(
        PARAM_TYPES[type].mayStandInArgv ? [arrival, `--opt=${arrival}`] : [arrival],
      );
      if (type !== 'secret') expect((await command.prepare(args)).args).toEqual(args);
    }
  });

  it.each(types)('%s refuses the rest, by name and without the value', async (type) => {
    const command = await withParam(type);
    for (const value of RULES[type].refuses) {
      const refusals = await refusalsOf(command, { x: value });
      expect([value, refusals.map(({ path }) => path)]).toEqual([value, expect.arrayContaining(['args.x'])]);
      if (typeof value === 'string' && value.length > 4) expect(JSON.stringify(refusals)).not.toContain(value);
    }
  });

  it.each(types.filter((type) => type !== 'folder'))('%s is required unless declared otherwise', async (type) => {
    expect(await refusalsOf(await withParam(type), {})).toEqual([{ path: 'args.x', message: 'required' }]);
    expect(await refusalsOf(await withParam(type, { optional: true }), {})).toEqual([]);
  });

  it.each(types)('%s shows an example that it takes', async (type) => {
    const command = await withParam(type);
    expect(await refusalsOf(command, command.example)).toEqual([]);
  });

  it.each(inArgv)('%s: hostile text is one element of argv, byte for byte, or refused (T01, T04, P13)', async (type) => {
    const hostile =
      type === 'string' ? await withParam(type, { pattern: undefined, maxLength: 1_000, minLength: 0 }) : await withParam(type);
    const shell = fc.constantFrom(
      '; id',
      '$(id)',
      '`id`',
      '| id',
      '&& id',
      '\n',
      '\0',
      '${IFS}',
      '--upload-pack=x',
      '-oProxyCommand=x',
      '-exec',
      '{x}',
      '--',
      "'",
      '"',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(shell).map((parts) => parts.join('')),
      shell,
    );
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const prepared = await hostile.prepare({ x: value }).catch(() => undefined);
        if (prepared?.invocation.kind !== 'process') return;
        const { argv } = prepared.invocation;
        expect(argv).toHaveLength(3);
        expect(argv[1]?.startsWith('-')).toBe(false);
        expect(argv[2]).toBe(`--opt=${argv[1]}`);
        if (type === 'string') expect(argv[1]).toBe(value);
      }),
      { numRuns: 200 },
    );
  });

  it.each(['string', 'integer', 'number'] as const)('%s takes a leading dash when the author says so', async (type) => {
    const command = await withParam(type, type === 'string' ? { allowDash: true, pattern: '-[0-9]' } : { allowDash: true });
    const { invocation } = await command.prepare({ x: type === 'string' ? '-5' : -5 });
    expect(arrivals(invocation as ProcessInvocation)[0]).toBe('-5');
  });
});

describe('a pattern (T03)', () => {
  const withPattern = (pattern: string) =>
    commandOf({ exec: ['echo', '{x}'], params: { x: { type: 'string', pattern, maxLength: 65_536 } } });

  it.each(['a|b', '^a$|^b$', '(?m)^a$', '[^x]'])('%s must match the whole value', async (pattern) => {
    const command = await withPattern(pattern);
    expect(await refusalsOf(command, { x: 'a' })).toEqual([]);
    for (const x of ['ab', 'a\nx', 'a\n', '\na', 'xa']) expect(await refusalsOf(command, { x })).not.toEqual([]);
  });

  it.each(['(a+)+', '(a|a)*', '(a*)*b', '([a-z]+)*[0-9]'])('%s is matched in linear time', async (pattern) => {
    const command = await withPattern(pattern);
    const start = performance.now();
    await refusalsOf(command, { x: `${'a'.repeat(50_000)}!` });
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe('folders by name', () => {
  const other = temporaryFolder();
  const variable = (name: string) => ({ PATH: '/usr/bin:/bin', LIST: `here=${root}, there=${other}`, ONE: other })[name];
  const of = (folders: unknown, more: object = {}) => ({ exec: ['echo', '{x}'], params: { x: { type: 'folder', folders, ...more } } });
  const mistakes = (declaration: object) =>
    mistakesOf(JSON.stringify({ commands: { test: { summary: 'Test', effect: 'read', ...declaration } } }), { variable });

  it.each([
    ['a list in a variable', '${LIST}', 'here', root],
    ['a list in a default', `\${NONE:-first=${other}}`, 'first', other],
    ['a mapping with a variable', { one: '${ONE}', here: root }, 'one', other],
  ])('may be %s, and the first is the default', async (_, folders, name, place) => {
    const command = await commandOf(of(folders), { variable });
    const { args, invocation } = await command.prepare({});
    expect([args, (invocation as ProcessInvocation).argv]).toEqual([{ x: name }, ['echo', place]]);
    expect(command.example).toEqual({ x: name });
  });

  it('are shown in the sandbox, all of them', async () => {
    expect((await commandOf(of('${LIST}'), { variable })).container.read).toEqual([root, other].sort());
  });

  it('have a default other than the first if that is said', async () => {
    expect((await (await commandOf(of('${LIST}', { default: 'there' }), { variable })).prepare({})).args).toEqual({ x: 'there' });
    expect(await mistakes(of('${LIST}', { default: 'nowhere' }))).toContainEqual(
      expect.stringMatching(/params\.x\.default: expected one of/),
    );
  });

  it.each([
    ['no list', 'nothing', /expected folders as name=folder/],
    ['a name twice', `a=${root},a=${root}`, /each name once/],
    ['a name of digits', `1=${root}`, /expected folders as name=folder/],
    ['a variable that is not set', '${NONE}', /NONE is not set/],
    ['a folder that is not there', 'a=/nowhere/at/all', /a folder that exists/],
    ['a folder of the kernel', 'a=/proc/self', /folder of the kernel/],
    ['a file', 'a=/etc/passwd', /a folder that exists/],
    ['a bad name in a mapping', { '../x': root }, /expected folders by name/],
  ])('are a mistake with %s', async (_, folders, mistake) => {
    expect(await mistakes(of(folders))).toContainEqual(expect.stringMatching(mistake));
  });
});
