import { describe, expect, it } from '@jest/globals';
import { mistakesOf } from '../../test/kit/catalogue-of.js';

const load = (exec: string, param = '{ type: string }') =>
  mistakesOf(
    `commands:\n  test:\n    summary: Test\n    effect: read\n    optional: true\n    exec: ${exec}\n    params:\n      x: ${param}\n`,
  );
const BARE = /^test\.yaml:8:7 commands\.test\.params\.x: is a bare string for /;

describe('the linter of command lines [P13]', () => {
  it.each([
    ...[
      'tar, -cf, /tmp/x.tar',
      'find, /srv, -name',
      'git, log',
      'git, -C, /srv, log',
      'git, clone, --',
      'sed, -n',
      'awk',
      'sort',
      'ssh, host',
      'rsync, -a',
    ],
    ...[
      'curl, -sS',
      'wget, -q',
      'docker, exec, web',
      'kubectl, get',
      'xargs, -n1',
      'env',
      'tee',
      'dd',
      'timeout, 5s',
      'nice',
      'sudo',
      'python3, /srv/x.py',
      'python3.11, /srv/x.py',
    ],
    ...[
      '/usr/bin/find, /srv, -name',
      'sh, /srv/x.sh',
      'node, /srv/x.js',
      'vim',
      'less',
      'psql, -c',
      'zip, out.zip',
      'make',
      'npm, run',
      'cp, /srv/a',
      'openssl, enc',
    ],
  ])('refuses a bare string on the command line of %s, with file and line', async (start) => {
    expect(await load(`[${start}, "{x}"]`)).toEqual([expect.stringMatching(BARE)]);
  });

  it.each([
    ['behind the end of options', '[git, log, --, "{x}"]', '{ type: string }'],
    ['behind --end-of-options', '[git, rev-list, --end-of-options, "{x}"]', '{ type: string }'],
    ['as the value of an option that only takes data', '[git, log, "--grep={x}"]', '{ type: string }'],
    ['with a pattern that keeps hostile values out', '[ssh, host, "{x}"]', '{ type: string, pattern: "[a-z0-9-]+" }'],
    ['as one of a few values', '[kubectl, get, "{x}"]', '{ type: enum, values: [pods, nodes] }'],
    ['as a number', '[awk, "{x}"]', '{ type: integer, min: 1, max: 9 }'],
    ['with the risk named', '[curl, -sS, "{x}"]', '{ type: string, risk: "the address is checked by the proxy" }'],
    ['for a program that only says it', '[echo, "{x}"]', '{ type: string }'],
  ])('takes a param %s', async (_what, exec, param) => {
    expect(await load(exec, param)).toEqual([]);
  });

  it.each([
    ['a pattern that lets anything through', '[ssh, host, "{x}"]', '{ type: string, pattern: ".*" }'],
    ['a pattern that keeps some of it out', '[ssh, host, "{x}"]', '{ type: string, pattern: "[A-Za-z0-9=-]+" }'],
    ['an option that runs programs', '[tar, -xf, /tmp/x.tar, "--to-command={x}"]', '{ type: string }'],
    ['an option that writes', '[sort, "--output={x}", /srv/x]', '{ type: string }'],
    ['leave to begin with a dash', '[git, log, "{x}"]', '{ type: string, allowDash: true }'],
    ['a part that depends on another param', '[find, /srv, { if: x, add: [-name, "{x}"] }]', '{ type: string, optional: true }'],
  ])('is not content with %s', async (_what, exec, param) => {
    expect(await load(exec, param)).toEqual([expect.stringMatching(BARE)]);
  });

  it('refuses a risk that is none', async () => {
    expect(await load('[echo, "{x}"]', '{ type: string, risk: "nothing to see here" }')).toEqual([
      expect.stringMatching(/params\.x\.risk: there is no such risk here/),
    ]);
  });

  it('refuses a command line or a script that trips the tripwire, unless the rule is left out', async () => {
    expect(await load('[rm, -rf, /srv/x]', '{ type: boolean }')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^test\.yaml:6:5 commands\.test\.exec: trips recursive-deletion: if that is meant/)]),
    );
    const script = (ignore: string) =>
      mistakesOf(
        `commands:\n  test:\n    summary: Test\n    effect: change\n    script: { interpreter: sh, text: 'rm -rf /srv/x' }\n    tripwire: { ignore: [${ignore}] }\n`,
      );
    expect(await script('')).toEqual([expect.stringMatching(/script: trips recursive-deletion/)]);
    expect(await script('recursive-deletion')).toEqual([]);
    expect(await script('no-such-rule')).toEqual([expect.stringMatching(/tripwire\.ignore\.0: expected one of recursive-deletion,/)]);
  });
});
