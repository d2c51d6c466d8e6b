import { describe, expect, it } from '@jest/globals';
import { commandSchema } from './catalogue-schema.js';
import { declarationMistakes } from './declaration-rules.js';

const x = { x: { type: 'string' } };

describe('a command that calls a service', () => {
  it.each([
    [{ url: 'https://api.example.com' }, {}],
    [{ url: 'https://api.example.com/a/{x}?b={x}' }, { params: x }],
    [{ url: 'https://{h}:8443/', hosts: ['*.example.com'] }, { params: { h: { type: 'hostname' } } }],
    [{ url: 'http://10.1.2.3:9200/', privateRanges: ['10.1.0.0/16'] }, {}],
    [{ url: 'https://a.example/', method: 'POST', readsOnly: true, json: { q: '{x}' } }, { params: x }],
    [{ url: 'https://a.example/', headers: { authorization: 'Bearer {T}' } }, { secrets: { T: { request: true } } }],
  ])('may be declared as %j', (http, more) => expect(mistakesOf(http, more)).toEqual([]));

  it.each([
    [{ url: 'https://a.example/', method: 'POST' }, {}, 'effect'],
    [{ url: 'https://a.example/', readsOnly: true }, {}, 'http.readsOnly'],
    [{ url: 'https://a.example/', json: 1 }, {}, 'http.method'],
    [{ url: 'ftp://a.example/' }, {}, 'http.url'],
    [{ url: 'https://u:p@a.example/' }, {}, 'http.url'],
    [{ url: 'https://a.example/#x' }, {}, 'http.url'],
    [{ url: 'https://a.example/b/../c' }, {}, 'http.url'],
    [{ url: 'https://a.example:443/' }, {}, 'http.url'],
    [{ url: 'https://a.example./' }, {}, 'http.url'],
    [{ url: 'http://127.0.0.1/' }, {}, 'http.url'],
    [{ url: 'http://2130706433/' }, {}, 'http.url'],
    [{ url: 'http://169.254.169.254/' }, {}, 'http.url'],
    [{ url: 'https://a.example/', hosts: ['b.example'] }, {}, 'http.hosts'],
    [{ url: 'https://{x}/' }, { params: { x: { type: 'hostname' } } }, 'http.hosts'],
    [{ url: 'https://{x}/', hosts: ['*'] }, { params: x }, 'params.x'],
    [{ url: 'https://{x}.example/', hosts: ['*'] }, { params: x }, 'http.url'],
    [{ url: 'https://a.example/?{x}=1' }, { params: x }, 'http.url'],
    [{ url: 'https://a.example/{x}' }, { params: { x: { type: 'string', optional: true } } }, 'params.x'],
    [{ url: 'https://a.example/{x}' }, { params: { x: { type: 'secret' } } }, 'params.x'],
    [{ url: 'https://a.example/?t={T}' }, { secrets: { T: { request: true } } }, 'secrets.T'],
    [{ url: 'https://a.example/' }, { secrets: { T: { request: true } } }, 'secrets.T'],
    [{ url: 'https://a.example/', headers: { a: '{T}' } }, { secrets: { T: { env: true } } }, 'secrets.T'],
    [{ url: 'https://a.example/', headers: { a: '{x}' } }, { params: { x: { type: 'text' } } }, 'params.x'],
    [{ url: 'https://a.example/', headers: { host: 'b.example' } }, {}, 'http.headers.host'],
    [{ url: 'https://a.example/', headers: { a: '{y}' } }, {}, 'http'],
    [{ url: 'https://a.example/' }, { params: x }, 'params.x'],
    [{ url: 'https://a.example/' }, { env: { A: 'b' } }, 'env'],
    [{ url: 'https://a.example/' }, { limits: { memory: '1MiB' } }, 'limits.memory'],
    [{ url: 'https://a.example/' }, { exec: ['true'] }, ''],
  ])('may not be declared as %j with %j', (http, more, path) => expect(mistakesOf(http, more)).toContain(path));
});

function mistakesOf(http: object, more: object): string[] {
  const declaration = commandSchema.parse({ summary: 'x', effect: 'read', http, ...more });
  return declarationMistakes(declaration, []).map((finding) => finding.path.join('.'));
}
