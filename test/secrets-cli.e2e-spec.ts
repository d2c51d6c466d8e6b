import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { programHome, removeHomes, type ProgramHome } from './kit/program.js';

/** Many programs are started; a busy machine takes its time. */
const PATIENCE_MS = 180_000;

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url));
const canary = (): string => `Canary${randomBytes(12).toString('hex')}`;
const digest = (value: string): string => createHash('sha256').update(value).digest('hex');

const tells = command({
  script: { interpreter: 'sh', text: 'printf %s "$TOKEN" | sha256sum; sha256sum < "$1"; echo "$TOKEN"; cat "$1"', args: ['{KEY}'] },
  secrets: { TOKEN: { env: true }, KEY: { file: true } },
});

afterEach(removeHomes);

/** The program with something on its stdin. */
async function say(home: ProgramHome, input: string, args: readonly string[], settings: Record<string, string> = {}) {
  const env = { PATH: process.env['PATH'], SANDBOX: 'off', ...settings };
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: home.folder, env });
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

describe('sallyport secrets', () => {
  it(
    'sets, lists, rotates and deletes beside a running server, which has the new values and keys at once',
    async () => {
      const home = programHome({ commands: { tells } });
      const [first, second, key] = [canary(), canary(), `${canary()}\n${canary()}\n`];
      expect((await home.run(['check'])).stdout).toContain('The commands need these secrets: KEY, TOKEN.\n');
      const server = await home.serve();
      const caller = await server.as(home.adminKey);
      expect(await caller.refused({ command: 'tells' })).toMatchObject({ code: 'secret_missing', status: 503 });

      const said = [
        await say(home, `${first}\n`, ['secrets', 'set', 'TOKEN']),
        await say(home, key, ['secrets', 'set', 'KEY']),
        await home.run(['secrets', 'list']),
      ];
      expect(said.map(({ code }) => code)).toEqual([0, 0, 0]);
      expect(said[2]!.stdout).toMatch(/^KEY {2}version 1 .*\nTOKEN {2}version 1 .*\n$/);
      const told = async () => (await caller.run('tells')).stdout.match(/^[0-9a-f]{64}/gm);
      expect(await told()).toEqual([digest(first), digest(key)]);

      const before = readFileSync(join(home.dataDir, 'master.key'));
      const rotated = await home.run(['secrets', 'rotate-key', '--json']);
      expect(JSON.parse(rotated.stdout)).toMatchObject({ secrets: 2 });
      expect(readFileSync(join(home.dataDir, 'master.key'))).not.toEqual(before);
      expect(await told()).toEqual([digest(first), digest(key)]);

      const remote = { SALLYPORT_KEY: home.adminKey };
      const url = await server.url();
      said.push(rotated, await say(home, second, ['secrets', 'set', 'TOKEN', '--json', '--url', url], remote));
      expect(JSON.parse(said.at(-1)!.stdout)).toMatchObject({ name: 'TOKEN', version: 2 });
      expect(await told()).toEqual([digest(second), digest(key)]);
      expect((await home.run(['secrets', 'list', '--url', url], remote)).stdout).toMatch(/^TOKEN {2}version 2 /m);
      expect((await home.run(['secrets', 'delete', 'KEY', '--url', url], remote)).code).toBe(0);
      expect(await home.run(['secrets', 'delete', 'KEY'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^secret_unknown: /) });
      expect(await home.run(['run', 'tells'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^secret_missing: .*: KEY\.$/m) });
      expect((await home.run(['audit', 'verify'])).stdout).toMatch(/^The chain holds: /);

      await server.end('SIGTERM');
      const everything = [...said.map(({ stdout, stderr }) => stdout + stderr), server.stdout, server.stderr].join('');
      for (const value of [first, second, ...key.trim().split('\n')]) expect(everything).not.toContain(value);
    },
    PATIENCE_MS,
  );

  it.each([
    ['a name that is none', 'token', canary()],
    ['a value that is too short', 'TOKEN', 'Canary7\n'],
    ['nothing', 'TOKEN', ''],
  ])('refuses %s in words that do not repeat it', async (_what, name, value) => {
    const said = await say(programHome(), value, ['secrets', 'set', name]);
    expect(said).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^invalid_request: .*\n {2}(name|value): expected/) });
    expect(said.stderr).not.toContain('Canary');
  });

  it(
    'rotates a key that a setting gives to one from a file, and takes no weak one',
    async () => {
      const home = programHome({ commands: { tells } });
      const [SECRETS_KEY, next] = [randomBytes(32).toString('base64'), randomBytes(32).toString('hex')];
      const value = canary();
      expect((await say(home, value, ['secrets', 'set', 'TOKEN'], { SECRETS_KEY })).code).toBe(0);
      home.write('weak', 'ab12'.repeat(16));
      home.write('next', `${next}\n`);
      const rotate = (...more: string[]) => home.run(['secrets', 'rotate-key', ...more], { SECRETS_KEY });
      expect(await rotate()).toMatchObject({ code: 2, stderr: expect.stringContaining('SECRETS_KEY is set') });
      expect(await rotate('--new-key-file', 'weak')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('expected 32 random bytes'),
      });
      expect(await rotate('--new-key-file', 'nowhere')).toMatchObject({ code: 2, stderr: expect.stringContaining('can be read') });
      const rotated = await rotate('--new-key-file', 'next');
      expect(rotated).toMatchObject({ code: 0, stdout: expect.stringContaining('Put the new key into SECRETS_KEY now') });
      expect(rotated.stdout + rotated.stderr).not.toContain(next);
      expect((await say(home, canary(), ['secrets', 'set', 'TOKEN'], { SECRETS_KEY })).stderr).toMatch(/^secrets_unreadable: /);
      expect((await say(home, canary(), ['secrets', 'set', 'TOKEN'], { SECRETS_KEY: next })).code).toBe(0);
    },
    PATIENCE_MS,
  );

  it(
    'asks twice at a terminal, and shows nothing of what is typed',
    async () => {
      const home = programHome();
      const value = canary();
      const line = `${process.execPath} ${MAIN} secrets set TOKEN`;
      const type = async (...typed: readonly string[]) => {
        const terminal = spawn('script', ['-qec', line, '/dev/null'], {
          cwd: home.folder,
          env: { PATH: process.env['PATH'], SANDBOX: 'off' },
        });
        let shown = '';
        terminal.stdout.on('data', (data: Buffer) => (shown += data.toString()));
        for (const [turn, keys] of typed.entries()) {
          await eventually(() => shown.includes(['Value of TOKEN: ', 'Again: '][turn] ?? ''), 20_000);
          terminal.stdin.write(keys);
        }
        await once(terminal, 'close');
        expect(shown).not.toContain(value.slice(0, 8));
        return { code: terminal.exitCode, shown };
      };
      expect(await type(`${value}x\u007f\r`, `${value}\r`)).toMatchObject({
        code: 0,
        shown: expect.stringContaining('TOKEN is set (version 1)'),
      });
      expect(await type(`${value}\r`, 'something else\r')).toMatchObject({ code: 2, shown: expect.stringContaining('not the same') });
      expect(await type(`${value}\u0003`)).toMatchObject({ code: 2, shown: expect.stringContaining('Nothing was set') });
      // Typed ahead, both at once.
      expect(await type(`${value}\r${value}\r`)).toMatchObject({ code: 0, shown: expect.stringContaining('version 2') });
    },
    PATIENCE_MS,
  );
});
