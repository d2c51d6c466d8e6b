import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { wherePermitted } from '../../test/kit/where.js';
import { ControlGroups } from './control-groups.js';

const tried = ControlGroups.open();
tried.close();
const permitted = wherePermitted(tried.boundsProcesses, 'no control groups can be made here');

const boundsOf = ({ boundsProcesses, boundsMemory }: ControlGroups) => ({ boundsProcesses, boundsMemory });

/** Whether the folder is gone; a group is, once its last member is. */
function isRemoved(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch {
    return !existsSync(folder);
  }
  return true;
}

describe('the control groups of a gateway', () => {
  permitted('bound what they can though an earlier gateway of the same process number has left some that are not empty', async () => {
    const earlier = ControlGroups.open();
    const groups = earlier.folders.map((folder) => join(folder, 'run'));
    const member = spawn('sleep', ['60']);
    try {
      for (const group of groups) {
        mkdirSync(group);
        writeFileSync(join(group, 'cgroup.procs'), String(member.pid));
      }
      earlier.close();
      expect(groups.map((group) => existsSync(group))).toEqual(groups.map(() => true));
      const next = ControlGroups.open();
      expect(boundsOf(next)).toEqual(boundsOf(tried));
      next.close();
      expect(next.folders.filter((folder) => existsSync(folder))).toEqual([]);
    } finally {
      member.kill('SIGKILL');
      await once(member, 'exit');
      for (const group of groups) await eventually(() => isRemoved(group) && isRemoved(dirname(group)));
    }
  });

  permitted('are kept apart from those of another gateway in the same process', async () => {
    const [one, other] = [ControlGroups.open(), ControlGroups.open()];
    expect([boundsOf(one), boundsOf(other)]).toEqual([boundsOf(tried), boundsOf(tried)]);
    one.close();
    expect(other.folders.map((folder) => existsSync(folder))).toEqual(other.folders.map(() => true));
    other.close();
  });

  permitted('of a gateway that is no more are removed by the next one, those of another namespace are left alone', async () => {
    const [folder = ''] = tried.folders;
    const [, namespace] = /sallyport-(\d+)-/.exec(folder) ?? [];
    const gone = join(dirname(folder), `sallyport-${namespace}-99999999-00`);
    const foreign = join(dirname(folder), `sallyport-1-99999999-00`);
    for (const group of [gone, foreign]) mkdirSync(group);
    ControlGroups.open().close();
    expect([gone, foreign].map((group) => existsSync(group))).toEqual([false, true]);
    rmdirSync(foreign);
  });
});
