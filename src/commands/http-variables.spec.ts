import { describe, expect, it } from '@jest/globals';
import { commandOf, mistakesOf } from '../../test/kit/catalogue-of.js';

const VARIABLES: Readonly<Record<string, string>> = {
  BASE: 'https://api.example.com/v1',
  PORT: '9000',
  INNER: 'http://10.0.0.1',
  LOGIN: 'https://u:p@a.example',
};
const options = { variable: (name: string) => VARIABLES[name] };
const call = (url: string, more: object = {}) => ({ http: { url, privateRanges: ['127.0.0.1'] }, ...more });
const mistakes = (url: string, more: object = {}) =>
  mistakesOf(JSON.stringify({ commands: { test: { summary: 'Test', effect: 'read', ...call(url, more) } } }), options);

describe('variables in the address of a call', () => {
  it.each([
    ['${BASE}/items', 'https://api.example.com/v1/items'],
    ['http://127.0.0.1:${PORT}/', 'http://127.0.0.1:9000/'],
    ['https://${NONE:-other.example}/${NONE:-a}?q=${PORT}', 'https://other.example/a?q=9000'],
  ])('are replaced in %s', async (url, expected) => {
    expect((await (await commandOf(call(url), options)).prepare({})).invocation).toMatchObject({ url: expected });
  });

  it.each([
    ['one that is not set', '${NONE}/', /NONE is not set and has no default/],
    ['one that is no variable', 'https://a.example/${x y}', /expected variables as/],
    ['a value that is no address', 'https://a.example:${BASE}/', /expected http/],
    ['a value with a password', '${LOGIN}/', /expected http/],
    ['a value that is private', '${INNER}/', /privateRanges allows/],
  ])('are a mistake with %s', async (_, url, mistake) => {
    expect(await mistakes(url)).toContainEqual(expect.stringMatching(mistake));
  });

  it.each(['${NONE}', '${NONE}/a/{x}', 'https://a.example:${NONE}/', 'https://${NONE}/a'])(
    'turn an optional command off where one is missing: %s',
    async (url) => {
      const params = url.includes('{x}') ? { x: { type: 'string' } } : {};
      const command = await commandOf(call(url, { optional: true, params }), options);
      expect(command.unavailable).toBe('It is not set up: an operator has to set NONE in the environment of the gateway.');
      await expect(command.prepare({})).rejects.toMatchObject({ code: 'executor_unavailable' });
    },
  );

  it('leave an optional command that is off its other mistakes', async () => {
    expect(await mistakes('${NONE}/{y}', { optional: true })).toContainEqual(expect.stringMatching(/no param of the name y/));
  });
});
