import { describe, expect, it } from '@jest/globals';
import { type Principal, ROLES, type Role } from '../domain/principal.js';
import { assertMayRun, canSee, mayRun, maySeeRun } from './permissions.js';

const principal = (role: Role, scopes: string[] = ['*'], id = 'abc'): Principal => ({ id, name: id, role, scopes, address: '192.0.2.1' });
const command = (name: string, role: Role = 'operator') => ({ name, role });

describe('scopes', () => {
  it.each([
    ['*', 'git.log', true],
    ['git.*', 'git.log', true],
    ['git.*', 'git.stash.list', true],
    ['git.*', 'git', false],
    ['git.*', 'gitx.log', false],
    ['git*', 'gitx.log', true],
    ['*.log', 'git.log', true],
    ['git.log', 'git.log', true],
    ['git.log', 'git-log', false],
    ['git.log', 'git.logs', false],
    ['!git.log', 'docker.ps', false],
    ['{git,docker}.*', 'git.log', false],
    ['[a-z]*', 'git.log', false],
  ])('%s and %s: %s', (scope, name, seen) => {
    expect(canSee(principal('admin', [scope]), command(name))).toBe(seen);
  });

  it('that are none show nothing', () => {
    expect(canSee(principal('admin', []), command('git.log'))).toBe(false);
  });

  it('hide a command even from an admin', () => {
    expect(mayRun(principal('admin', ['git.*']), command('docker.ps', 'readonly'))).toBe('invisible');
    expect(() => assertMayRun(principal('admin', ['git.*']), command('docker.ps'))).toThrow(
      expect.objectContaining({ code: 'command_unknown' }),
    );
  });
});

describe('roles', () => {
  it('decide who runs what, and readonly never runs anything', () => {
    const allowed = ROLES.flatMap((role) =>
      ROLES.filter((needed) => mayRun(principal(role), command('git.log', needed)) === 'allowed').map((needed) => `${role} runs ${needed}`),
    );
    expect(allowed).toEqual([
      'operator runs readonly',
      'operator runs operator',
      'admin runs readonly',
      'admin runs operator',
      'admin runs admin',
    ]);
  });

  it('that are too low are told so for commands in scope', () => {
    expect(() => assertMayRun(principal('operator'), command('git.push', 'admin'))).toThrow(expect.objectContaining({ code: 'forbidden' }));
    expect(() => assertMayRun(principal('admin'), command('git.push', 'admin'))).not.toThrow();
  });

  it('let callers see their own runs, admins all', () => {
    expect(maySeeRun(principal('operator'), { principalId: 'abc' })).toBe(true);
    expect(maySeeRun(principal('operator'), { principalId: 'other' })).toBe(false);
    expect(maySeeRun(principal('admin'), { principalId: 'other' })).toBe(true);
  });
});
