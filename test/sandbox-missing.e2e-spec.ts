import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect } from '@jest/globals';
import type { HealthDetails } from '../src/health/health-details.js';
import { command } from './kit/commands.js';
import { programHome, removeHomes } from './kit/program.js';
import { containedAsRoot } from './kit/where.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-shims-'));
afterEach(removeHomes);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Something that stands where bubblewrap does, for the gateway alone. */
function insteadOfBubblewrap(name: string, text: string): readonly string[] {
  const shim = join(folder, name);
  writeFileSync(shim, text);
  chmodSync(shim, text === '' ? 0o600 : 0o755);
  return ['unshare', '--mount', 'sh', '-c', `mount --bind ${shim} "$(command -v bwrap)" && exec "$@"`, 'sh'];
}

const MISSING = () => insteadOfBubblewrap('missing', '');
const TOO_OLD = () => insteadOfBubblewrap('old', '#!/bin/sh\necho "bubblewrap 0.4.1"\n');
/** Builds nothing: becomes the program at once, as a bubblewrap would that does not hold. */
const LEAKY = () =>
  insteadOfBubblewrap(
    'leaky',
    `#!/bin/sh
if [ "$1" = --version ]; then echo 'bubblewrap 0.8.0'; exit; fi
while [ "$1" != -- ]; do shift; done
shift
echo '{ "child-pid": '$$' }' >&3
"$@"
status=$?
echo '{ "exit-code": '$status' }' >&3
exit $status
`,
  );
const DENIED = () => ['unshare', '--user', '--map-root-user', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh'];

const home = (mode: string) =>
  programHome({
    commands: { show: { ...command({ exec: ['/bin/sh', '-c', 'ls /; id -u'] }), sandbox: { profile: 'pure' } } },
    settings: { SANDBOX: mode },
  });

describe('a host without sandboxes', () => {
  const causes = [
    ['no bubblewrap', MISSING, /bubblewrap \(bwrap\) is not installed|does not run here/],
    ['a bubblewrap that is too old', TOO_OLD, /bubblewrap 0\.4\.1 is too old: 0\.8/],
    ['no namespaces', DENIED, /bwrap: /],
  ] as const;

  for (const [cause, under, reason] of causes) {
    containedAsRoot(`because of ${cause} is served with SANDBOX=auto, and everybody is told`, async () => {
      const place = home('auto');
      const program = await place.serve({}, under());
      const caller = await program.as(place.adminKey);
      const { body } = await caller.get<HealthDetails>('/health/details');
      expect(body.status).toBe('degraded');
      expect(Object.values(body.containment.profiles).map(({ contained: holds }) => holds)).toEqual([false, false, false]);
      for (const profile of Object.values(body.containment.profiles)) expect(profile.reason).toMatch(reason);
      const warnings = program.log().filter(({ level, message }) => level === 'warn' && String(message).startsWith('not contained: '));
      expect(warnings.length).toBeGreaterThanOrEqual(3);
      expect((await caller.run('show')).stdout).toContain('home\n');
    });

    containedAsRoot(`because of ${cause} is not served with SANDBOX=require`, async () => {
      const { code, stderr } = await home('require').start(['serve'], {}, under()).finished;
      expect(code).toBe(2);
      expect(stderr).toMatch(/^executor_unavailable: SANDBOX is require, but the profile pure cannot be had on this host: /);
      expect(stderr).toMatch(reason);
    });
  }
});

describe('a sandbox that does not hold', () => {
  for (const mode of ['auto', 'require']) {
    containedAsRoot(`keeps the gateway from serving with SANDBOX=${mode}`, async () => {
      const { code, stderr, stdout } = await home(mode).start(['serve'], {}, LEAKY()).finished;
      expect([code, stdout.includes('listening')]).toEqual([2, false]);
      expect(stderr).toMatch(
        /^executor_unavailable: The sandbox of the profile \w+ does not hold: a program in it .*reads files of the gateway/,
      );
    });
  }
});
