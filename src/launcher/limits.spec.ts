import { describe, expect, it } from '@jest/globals';
import type { ResourceLimits } from '../domain/sandbox.js';
import { groupSettings, limitPrefix, type LimitMeans } from './limits.js';

const ALL: ResourceLimits = { cpuSeconds: 5, memoryBytes: 1_000, processes: 10, fileBytes: 2_000, openFiles: 30 };
const NONE: ResourceLimits = { cpuSeconds: null, memoryBytes: null, processes: null, fileBytes: null, openFiles: null };
const BY_LIMIT: LimitMeans = { prlimit: '/usr/bin/prlimit', processes: 'rlimit', memory: 'rlimit' };
const BY_GROUP: LimitMeans = { prlimit: '/usr/bin/prlimit', processes: 'cgroup', memory: 'cgroup' };
const BY_NOTHING: LimitMeans = { prlimit: null, processes: 'none', memory: 'none' };

describe('limits of resources', () => {
  it('stand in front of the program, all that a resource limit keeps', () => {
    expect(limitPrefix(ALL, BY_LIMIT)).toEqual([
      ...['/usr/bin/prlimit', '--core=0', '--cpu=5', '--fsize=2000', '--nofile=30', '--nproc=10', '--data=1000', '--'],
    ]);
    expect(limitPrefix(ALL, BY_GROUP)).toEqual(['/usr/bin/prlimit', '--core=0', '--cpu=5', '--fsize=2000', '--nofile=30', '--']);
  });

  it('put nothing in front of a program that has none, or where nothing can set them', () => {
    expect(limitPrefix(NONE, BY_LIMIT)).toEqual([]);
    expect(limitPrefix(ALL, BY_NOTHING)).toEqual([]);
  });

  it('are set in the control group, in the words of both versions, with room for what holds the sandbox', () => {
    expect(groupSettings(ALL, BY_GROUP)).toEqual({
      'pids.max': '11',
      'memory.max': '1000',
      'memory.swap.max': '0',
      'memory.oom.group': '1',
      'memory.limit_in_bytes': '1000',
    });
    expect(groupSettings(NONE, BY_GROUP)).toEqual({});
    expect(groupSettings(ALL, BY_LIMIT)).toEqual({});
  });
});
