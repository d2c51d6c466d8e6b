import { describe, expect, it } from '@jest/globals';
import { assert, dictionary, jsonValue, property, string } from 'fast-check';
import { parseArguments, parsePins } from './arguments.js';
import { CliFailure } from './cli-failure.js';

const SCHEMA = {
  properties: { count: { type: 'integer' }, ratio: { type: 'number' }, all: { type: 'boolean' }, text: { type: 'string' } },
};

describe('arguments on the command line', () => {
  it('are text, and numbers and booleans where the command declares them', () => {
    expect(parseArguments(['count=3', 'ratio=-0.5', 'all=true', 'text=3'], SCHEMA)).toEqual({
      count: 3,
      ratio: -0.5,
      all: true,
      text: '3',
    });
  });

  it('stay text where they are no numbers or booleans, for the command’s own check to refuse', () => {
    const words = ['count=three', 'ratio=0x10', 'all=yes', 'text='];
    expect(parseArguments(words, SCHEMA)).toEqual({ count: 'three', ratio: '0x10', all: 'yes', text: '' });
    expect(parseArguments(['count=007'], SCHEMA)).toEqual({ count: '007' });
  });

  it('keep everything behind the first equals sign', () => {
    expect(parseArguments(['text=a=b:=c\nd', 'other=--x'], SCHEMA)).toEqual({ text: 'a=b:=c\nd', other: '--x' });
  });

  it('are JSON behind :=', () => {
    expect(parseArguments(['a:=[1,{"b":null}]', 'text:="3"', 'count:="3"'], SCHEMA)).toEqual({
      a: [1, { b: null }],
      text: '3',
      count: '3',
    });
  });

  it('take any JSON value under any plain name', () => {
    const name = string({ minLength: 1 }).filter((text) => !/[=:]/.test(text) && text !== '__proto__');
    assert(
      property(dictionary(name, jsonValue()), (given) => {
        const words = Object.entries(given).map(([key, value]) => `${key}:=${JSON.stringify(value)}`);
        expect(parseArguments(words, SCHEMA)).toEqual(JSON.parse(JSON.stringify(given)));
      }),
    );
  });

  it('have names of their own only', () => {
    const args = parseArguments(['__proto__=x', 'constructor=true'], SCHEMA);
    expect(Object.keys(args)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(args)).toBe(Object.prototype);
  });

  it.each([['word'], ['=x'], [':=1'], ['a:b'], ['']])('refuses %j', (word) => {
    expect(() => parseArguments([word], SCHEMA)).toThrow(CliFailure);
  });

  it('refuses what should be JSON and is not, without repeating it', () => {
    expect(() => parseArguments(['token:=hunter2'], SCHEMA)).toThrow(new CliFailure('The value of token:= is not JSON.', 2));
  });
});

describe('pins on the command line', () => {
  it('name a command, its param and the value', () => {
    expect(parsePins(['git.log.repo=site', 'git.log.count:=3', 'show.value=a=b'])).toEqual({
      'git.log': { repo: 'site', count: 3 },
      show: { value: 'a=b' },
    });
  });

  it('are refused without a command, and reach no prototype', () => {
    expect(() => parsePins(['count=1'])).toThrow('is neither command.param=value nor command.param:=json');
    expect(Object.hasOwn(parsePins(['__proto__.isAdmin=1']), '__proto__')).toBe(true);
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
  });
});
