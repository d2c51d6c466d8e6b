import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { isAlive } from './fixtures/fixture.js';
import { command, show, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Answer, type Caller, type Declaration, type RunBody, startGateway, stopGateways } from './kit/gateway.js';
import { type ProgramHome, programHome, removeHomes } from './kit/program.js';

afterEach(async () => {
  await removeHomes();
  await stopGateways();
});

type Told = RunEnvelope & Pick<Problem, 'code' | 'detail'>;

/** A home whose commands leave a line in a file; `stays` writes its pid there and lives on. */
function home(more: (marks: string) => Readonly<Record<string, Declaration>> = () => ({})): ProgramHome & { marks: () => string[] } {
  const place = programHome();
  const marks = join(place.folder, 'marks');
  const text = 'echo $$ >> "$1"; exec sleep 60';
  place.declare({
    mark: witness(marks),
    stays: command({ script: { interpreter: 'sh', text, args: [marks] }, effect: 'change', timeout: '2min' }),
    greet: command({ builtin: 'greet' }),
    ...more(marks),
  });
  return Object.assign(place, { marks: () => (existsSync(marks) ? readFileSync(marks, 'utf8').split('\n').filter(Boolean) : []) });
}

function post(caller: Caller, body: RunBody, key: string): Promise<Answer<Told>> {
  return caller.post<Told>('/run', body, { 'idempotency-key': key });
}

const replayed = ({ headers }: Answer<unknown>) => headers.get('idempotency-replayed');

describe('a key after a restart', () => {
  it('of a gateway that was killed gives the runs that had ended, and the one under way as lost: none is run again', async () => {
    const place = home();
    const first = await place.serve();
    const caller = await first.as(place.adminKey);
    const ended = [await post(caller, { command: 'mark' }, 'ended'), await post(caller, { command: 'greet' }, 'instant')];
    const cut = expect(post(caller, { command: 'stays' }, 'cut')).rejects.toThrow();
    const pid = await eventually(() => place.marks().length === 2 && Number(place.marks()[1]));
    await first.end('SIGKILL');
    await cut;
    await eventually(() => !isAlive(pid));

    const again = await (await place.serve()).as(place.adminKey);
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(again, { command: 'stays' }, 'cut')));
    for (const answer of answers) {
      expect([answer.status, replayed(answer), answer.body.outcome]).toEqual([200, 'true', { kind: 'lost' }]);
      expect(answer.body.id).toBe(answers[0]?.body.id);
    }
    for (const [index, name] of ['mark', 'greet'].entries()) {
      const answer = await post(again, { command: name }, ['ended', 'instant'][index]!);
      expect([replayed(answer), answer.body]).toEqual(['true', ended[index]?.body]);
    }
    expect((await post(again, { command: 'mark', args: { mark: 'other' } }, 'ended')).body.code).toBe('idempotency_mismatch');
    expect(place.marks()).toEqual(['ran', `${pid}`]);
  });

  it('stands for the same secrets, and for the same request under a declaration that has changed', async () => {
    const secret = (marks: string, more: object = {}): Declaration => ({
      ...witness(marks),
      params: { mark: { type: 'string', default: 'ran' }, token: { type: 'secret', optional: true } },
      env: { TOKEN: '{token}' },
      ...more,
    });
    const place = home((marks) => ({ tell: secret(marks) }));
    const first = await place.serve();
    const [one, two] = ['Tr0ub4dor' + 'One', 'Tr0ub4dor' + 'Two'];
    const tell = { command: 'tell', args: { token: one } };
    const { body } = await post(await first.as(place.adminKey), tell, 'told');
    await first.end('SIGTERM');

    const changed = { summary: 'Now something else', params: { mark: { type: 'string', default: 'other' }, token: { type: 'secret' } } };
    place.declare({ tell: secret(join(place.folder, 'marks'), changed) });
    const caller = await (await place.serve()).as(place.adminKey);
    const answer = await post(caller, tell, 'told');
    expect([replayed(answer), answer.body]).toEqual(['true', body]);
    expect((await post(caller, { ...tell, args: { token: two } }, 'told')).body.code).toBe('idempotency_mismatch');
    expect(place.marks()).toEqual(['ran']);
  });

  it('opens nothing that the caller may no longer run', async () => {
    const place = home();
    const first = await place.serve();
    const { body: made } = await (await first.as(place.adminKey)).post<{ key: string }>('/auth/token', { name: 'x', role: 'operator' });
    const ask = (caller: Caller, name: string) => post(caller, { command: name }, name);
    for (const name of ['mark', 'greet']) expect((await ask(await first.as(made.key), name)).status).toBe(200);
    await first.end('SIGTERM');
    place.declare({ mark: { ...witness(join(place.folder, 'marks')), role: 'admin' } });
    const caller = await (await place.serve()).as(made.key);
    expect((await ask(caller, 'mark')).body.code).toBe('forbidden');
    expect((await ask(caller, 'greet')).body.code).toBe('command_unknown');
  });
});

describe('the secret of DATA_DIR', () => {
  it('is made for us alone, kept, and missed when it is broken', async () => {
    const place = home();
    const file = join(place.dataDir, 'secret.key');
    const first = await place.serve();
    const made = readFileSync(file);
    expect([made.length, statSync(file).mode & 0o777]).toEqual([32, 0o600]);
    await first.end('SIGTERM');
    await (await place.serve()).end('SIGTERM');
    expect(readFileSync(file)).toEqual(made);
    writeFileSync(file, made.subarray(1));
    const asked = ['serve', 'run mark', 'check'].map((words) => place.run(words.split(' ')));
    const refused = { code: 2, stderr: expect.stringMatching(/^storage_unavailable: The file secret\.key in DATA_DIR is not a key/) };
    expect(await Promise.all(asked)).toEqual([refused, refused, { code: 0, stderr: '' }].map((end) => expect.objectContaining(end)));
    expect(place.marks()).toEqual([]);
  });
});

describe('sallyport run --idempotency-key', () => {
  it('asks a server for the same run again', async () => {
    const gateway = await startGateway({ commands: { show } });
    const place = programHome();
    const words = ['run', 'show', 'value=x', '--json', '--idempotency-key', 'order-1', '--url', gateway.url];
    const settings = { SALLYPORT_KEY: await gateway.key('operator') };
    const [first, second] = [await place.run(words, settings), await place.run(words, settings)];
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(second.stdout)).toEqual(JSON.parse(first.stdout));
    expect(gateway.launches).toHaveLength(1);
    const other = await place.run(['run', 'show', 'value=y', ...words.slice(3)], settings);
    expect(other.code).toBe(2);
    expect(JSON.parse(other.stdout)).toMatchObject({ code: 'idempotency_mismatch', status: 422 });
  });

  it('runs once on this host, also when several programs are started with it at once', async () => {
    const place = home();
    const words = ['run', 'mark', '--json', '--idempotency-key', 'nightly'];
    const results = await Promise.all([place.run(words), place.run(words)]);
    const told = results.map(({ stdout }) => JSON.parse(stdout) as Told);
    const runs = told.filter(({ id }) => id !== undefined);
    expect(runs.length).toBeGreaterThan(0);
    expect(new Set(runs.map(({ id }) => id)).size).toBe(1);
    expect(told.filter(({ id }) => id === undefined).filter(({ code }) => code !== 'conflict')).toEqual([]);
    expect(JSON.parse((await place.run(words)).stdout)).toEqual(runs[0]);
    expect(place.marks()).toEqual(['ran']);
  });

  it.each([['here'], ['there', '--url', 'http://127.0.0.1:9']])('refuses what is no key, %s', async (_where, ...url) => {
    const place = home();
    for (const key of ['', 'a\nb']) {
      const { code, stdout } = await place.run(['run', 'mark', '--json', ...url, '--idempotency-key', key], { SALLYPORT_KEY: 'x' });
      expect(code).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({ code: 'invalid_request', errors: [{ path: 'Idempotency-Key' }] });
    }
    expect(place.marks()).toEqual([]);
  });
});
