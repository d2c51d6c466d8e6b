import { describe, expect, it } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogueFolder, mistakesOf } from '../../test/kit/catalogue-of.js';
import { CatalogueMistakes } from './catalogue-mistakes.js';

/** A valid command in block form; `more` are further lines. */
const command = (name: string, ...more: string[]) =>
  [`  ${name}:`, '    summary: Test', '    effect: read', ...more.map((line) => `    ${line}`)].join('\n');
const catalogue = (...commands: string[]) => `commands:\n${commands.join('\n')}\n`;
const one = (...more: string[]) => catalogue(command('a.b', ...more));

describe('mistakes in a catalogue', () => {
  it('are all reported, in order, with file, line, column and path', async () => {
    const text = one('exec: [echo, "{nmae}"]', 'params:', '  name: { type: sting }', 'timout: 5s', 'role: readonly');
    const found = await mistakesOf(text);
    expect(found).toHaveLength(3);
    expect(found[0]).toMatch(/^test\.yaml:7:15 commands\.a\.b\.params\.name\.type: expected one of string, integer/);
    expect(found[1]).toBe('test.yaml:8:5 commands.a.b.timout: is not a key that means anything here');
    expect(found[2]).toBe('test.yaml:9:5 commands.a.b.role: expected operator or admin (a readonly key never runs anything)');
  });

  it.each([
    ['no executor', one(), /exactly one of exec, script, builtin/],
    ['two executors', one('exec: [echo]', 'builtin: greet'), /exactly one of exec, script, builtin/],
    ['an unknown builtin', one('builtin: rm'), /builtin: expected one of greet/],
    ['no summary', 'commands: { a: { effect: read, exec: [echo] } }', /a\.summary: is missing/],
    ['no effect', 'commands: { a: { summary: x, exec: [echo] } }', /a\.effect: expected one of read, change, destroy/],
    ['a bad name', catalogue(command('Git.Log', 'exec: [echo]')), /expected a name such as git\.log/],
    ['an inherited name', catalogue(command('git.constructor', 'exec: [echo]')), /every object has/],
    ['an inherited param', one('exec: [echo, "{valueOf}"]', 'params: { valueOf: { type: string } }'), /every object has/],
    [
      'a placeholder in the middle',
      one('exec: [echo, "a{x}b"]', 'params: { x: { type: string } }'),
      /8?:.*exec\.1: a placeholder must be a whole element/,
    ],
    ['a glued placeholder', one('exec: [echo, "-o{x}"]', 'params: { x: { type: string } }'), /whole element/],
    ['an unknown placeholder', one('exec: [echo, "{y}"]'), /exec\.1: there is no param of the name y/],
    ['an unused param', one('exec: [echo]', 'params: { x: { type: string } }'), /params\.x: is never used/],
    ['a placeholder as the program', one('exec: ["{x}"]', 'params: { x: { type: string } }'), /exec\.0: expected a program/],
    ['a secret in exec', one('exec: [echo, "{x}"]', 'params: { x: { type: secret } }'), /a secret never stands in argv/],
    [
      'a secret in script args',
      one('script: { interpreter: sh, text: "true", args: ["{x}"] }', 'params: { x: { type: secret } }'),
      /a secret never/,
    ],
    ['a text in exec', one('exec: [echo, "--x={x}"]', 'params: { x: { type: text } }'), /a text never stands in argv/],
    [
      'a secret in a conditional element',
      one('exec: [echo, { if: x, add: ["{x}"] }]', 'params: { x: { type: secret } }'),
      /a secret never/,
    ],
    [
      'a file param in env',
      one('exec: [echo, "{x}"]', 'env: { X: "{x}" }', 'params: { x: { type: secret, via: file } }'),
      /goes via a file/,
    ],
    [
      'a default for a secret',
      one('exec: [echo]', 'env: { X: "{x}" }', 'params: { x: { type: secret, default: a } }'),
      /x\.default: is not a key/,
    ],
    ['a secret for a builtin', one('builtin: greet', 'params: { x: { type: secret } }'), /neither secrets nor files/],
    ['code from a param', one('exec: [sh, -c, "{x}"]', 'params: { x: { type: string } }'), /would be run as code/],
    ['code from a param behind a wrapper', one('exec: [env, bash, -lc, "{x}"]', 'params: { x: { type: string } }'), /would be run as code/],
    ['code in an option', one('exec: [node, "--eval={x}"]', 'params: { x: { type: string } }'), /would be run as code/],
    [
      'retry of a change',
      'commands: { a: { summary: x, effect: change, exec: [echo], retry: { attempts: 2 } } }',
      /retry: only a command that reads/,
    ],
    ['too many attempts', one('exec: [echo]', 'retry: { attempts: 6 }'), /retry\.attempts/],
    ['cache of a change', 'commands: { a: { summary: x, effect: change, exec: [echo], cache: 5s } }', /cache: only results of commands/],
    ['cache with a secret', one('exec: [echo]', 'cache: 5s', 'stdin: "{x}"', 'params: { x: { type: secret } }'), /may not be cached/],
    ['a forbidden variable', one('exec: [echo]', 'env: { LD_PRELOAD: /x.so }'), /env\.LD_PRELOAD: is a variable that makes/],
    [
      'a param as PATH',
      one('exec: [echo]', 'env: { PATH: "{x}" }', 'params: { x: { type: string } }'),
      /env\.PATH: decides what programs do/,
    ],
    ['a param as a git setting', one('exec: [echo]', 'env: { GIT_SSH_COMMAND: "{x}" }', 'params: { x: { type: string } }'), /fixed value/],
    ['a missing variable', one('exec: [echo]', 'cwd: "${NOWHERE}"'), /cwd: the variable NOWHERE is not set/],
    ['a malformed variable', one('exec: [echo]', 'cwd: "${NO-WHERE}"'), /cwd: expected variables as/],
    [
      'a missing root',
      one('exec: [echo, "{x}"]', 'params: { x: { type: path, root: nowhere } }'),
      /x\.root: expected a folder that exists/,
    ],
    ['a root in proc', one('exec: [echo, "{x}"]', 'params: { x: { type: path, root: /proc } }'), /folder of the kernel/],
    [
      'a bad pattern',
      one('exec: [echo, "{x}"]', 'params: { x: { type: string, pattern: "(" } }'),
      /x\.pattern: expected a regular expression/,
    ],
    [
      'a bad default',
      one('exec: [echo, "{x}"]', 'params: { x: { type: integer, max: 5, default: 6 } }'),
      /x\.default: expected a whole number from 0 to 5/,
    ],
    ['an empty range', one('exec: [echo, "{x}"]', 'params: { x: { type: integer, min: 7, max: 5 } }'), /x\.min: is above the maximum/],
    ['negative numbers in argv', one('exec: [echo, "{x}"]', 'params: { x: { type: integer, min: -7 } }'), /x\.min: .*allowDash/],
    ['a dash in enum values', one('exec: [echo, "{x}"]', 'params: { x: { type: enum, values: [-a] } }'), /x\.values: .*allowDash/],
    ['a missing program', one('exec: [no-such-program-here]'), /exec\.0: the program is not installed/],
    ['a relative program', one('exec: [./run]'), /exec\.0: expected the name of a program or an absolute path/],
    ['a number in exec', one('exec: [echo, 5]'), /exec\.1: expected text \(numbers in quotes\)/],
    [
      'a phrase of slots alone',
      one('exec: [echo, "{x}"]', 'params: { x: { type: string } }', 'phrases: ["{x}"]'),
      /at least one fixed word/,
    ],
    [
      'a phrase that leaves out',
      one('exec: [echo, "{x}"]', 'params: { x: { type: string } }', 'phrases: [say]'),
      /leaves out x, which is required/,
    ],
    [
      'a secret in a phrase',
      one('exec: [echo]', 'stdin: "{x}"', 'params: { x: { type: secret } }', 'phrases: ["use {x}"]'),
      /no place in free text/,
    ],
    ['a name twice', catalogue(command('a', 'exec: [echo]')) + command('a', 'exec: [echo]'), /unique/],
    [
      'colliding phrases',
      catalogue(command('a', 'exec: [echo]', 'phrases: [go now]'), command('b', 'exec: [echo]', 'phrases: ["Go  now!"]')),
      /means a already/,
    ],
    ['a phrase that is a name', catalogue(command('a', 'exec: [echo]'), command('b', 'exec: [echo]', 'phrases: [a]')), /means a already/],
    ['an endless timeout', one('exec: [echo]', 'timeout: 25h'), /timeout: expected a duration from 1ms to 24h/],
    ['an empty file', '', /expected `commands:`/],
    ['a list', '- a\n', /expected `commands:`/],
    ['empty commands', 'commands:\n', /commands: expected a mapping of names/],
  ])('include %s', async (_, text, message) => {
    const mistakes = await mistakesOf(text);
    expect(mistakes.join('\n')).toMatch(message);
    expect(mistakes[0]).toMatch(/^test\.yaml:\d+:\d+:? /);
  });

  it('include names declared in two files', async () => {
    const { folder, catalogue: twice } = catalogueFolder(one('exec: [echo]'));
    writeFileSync(join(folder, 'zzz.yml'), one('exec: [echo]'));
    await expect(twice.reload()).rejects.toThrow('zzz.yml:2:3 commands.a.b: is declared already in test.yaml:2');
  });

  it('include files that are too large, no text, or no files, and a folder without any', async () => {
    const { folder, catalogue: odd } = catalogueFolder(undefined);
    await expect(odd.reload()).rejects.toThrow('there is no catalogue file');
    writeFileSync(join(folder, 'big.yaml'), '#'.repeat(1024 ** 2 + 1));
    writeFileSync(join(folder, 'bytes.yaml'), Buffer.from([0xff, 0xfe]));
    mkdirSync(join(folder, 'dir.yaml'));
    const { mistakes } = (await odd.reload().catch((error: unknown) => error)) as CatalogueMistakes;
    expect(mistakes.map(({ file, message }) => `${file} ${message}`)).toEqual([
      'big.yaml is larger than 1 MiB',
      'bytes.yaml expected a file of UTF-8 text that can be read',
      'dir.yaml is not a file',
    ]);
  });

  it('never show the value of a variable', async () => {
    const value = 'not-for-the-log';
    const text = one('exec: [echo, "{x}"]', 'cwd: "${HIDDEN}"', 'params: { x: { type: path, root: "/${HIDDEN}" } }');
    const mistakes = await mistakesOf(text, { variable: (name) => (name === 'HIDDEN' ? value : '/usr/bin:/bin') });
    expect(mistakes).toHaveLength(2);
    expect(mistakes.join()).not.toContain(value);
  });
});

describe('a catalogue on a host that lacks a program', () => {
  it('leaves an optional command out and says so', async () => {
    const { catalogue: loaded } = catalogueFolder(
      catalogue(command('a', 'exec: [no-such-program-here]', 'optional: true'), command('b', 'exec: [echo]')),
    );
    await loaded.reload();
    expect(loaded.all().map(({ name }) => name)).toEqual(['b']);
    expect(loaded.warnings).toEqual([expect.objectContaining({ file: 'test.yaml', line: 5, path: 'commands.a.exec.0' })]);
  });

  it('warns of scripts, interpreters and programs that start others', async () => {
    const { catalogue: loaded } = catalogueFolder(
      catalogue(command('a', 'script: { interpreter: sh, text: "true" }'), command('b', 'exec: [sh, /x]'), command('c', 'exec: [env, ls]')),
    );
    await loaded.reload();
    expect(loaded.warnings.map(({ path }) => path)).toEqual(['commands.a.script', 'commands.b.exec.0', 'commands.c.exec.0']);
  });
});
