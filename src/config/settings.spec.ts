import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { assert, constantFrom, property, string } from 'fast-check';
import { loadSettings, remoteKey, settingEntries, SettingsError } from './settings.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'sallyport-settings-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string | Buffer) => writeFileSync(join(folder, name), text);
const load = (environment: Record<string, string> = {}) => loadSettings(environment, folder);

function mistakes(environment: Record<string, string> = {}): readonly string[] {
  try {
    load(environment);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes;
    throw error;
  }
}

describe('settings', () => {
  it('have defaults for everything that needs a value', () => {
    const { settings, sources } = load();
    expect(settings).toMatchObject({
      HOST: '127.0.0.1',
      PORT: 8080,
      RATE_LIMIT_ENABLED: true,
      RATE_LIMIT_PER_KEY: { count: 100, windowMs: 60_000 },
      BODY_LIMIT: 1024 ** 2,
      RUN_TIMEOUT: 30_000,
      ENVIRONMENT: 'development',
    });
    expect(settings.ADMIN_KEY).toBeUndefined();
    expect([sources.PORT, sources.ADMIN_KEY]).toEqual(['default', 'unset']);
  });

  it('are read as what they mean', () => {
    const environment = {
      CORS_ORIGINS: 'https://a.example, http://b.example:81',
      TRUSTED_PROXIES: '10.0.0.0/8,::1',
      RATE_LIMIT_ENABLED: 'false',
      DRAIN_TIMEOUT: '0s',
    };
    expect(load(environment).settings).toMatchObject({
      CORS_ORIGINS: ['https://a.example', 'http://b.example:81'],
      TRUSTED_PROXIES: ['10.0.0.0/8', '::1'],
      RATE_LIMIT_ENABLED: false,
      DRAIN_TIMEOUT: 0,
    });
  });

  it('come from the environment, then .env, then sallyport.yaml, then the default', () => {
    write('sallyport.yaml', 'HOST: yaml\nPORT: 1\nDATA_DIR: yaml');
    write('.env', 'HOST=dotenv\nPORT=2\n');
    const { settings, sources } = load({ HOST: 'environment' });
    expect([settings.HOST, settings.PORT, settings.DATA_DIR, settings.CATALOGUE_DIR]).toEqual(['environment', 2, 'yaml', './commands']);
    expect([sources.HOST, sources.PORT, sources.DATA_DIR, sources.CATALOGUE_DIR]).toEqual([
      'environment',
      '.env',
      'sallyport.yaml',
      'default',
    ]);
  });

  it('take an empty variable for none', () => {
    write('sallyport.yaml', 'PORT: 7\nHOST:\n');
    expect(load({ PORT: '', HOST: '' }).settings).toMatchObject({ PORT: 7, HOST: '127.0.0.1' });
  });

  it('accept every default as an operator would write it', () => {
    const written = settingEntries().flatMap(([name, definition]) =>
      definition.default === null ? [] : [[name, definition.default] as const],
    );
    expect(load(Object.fromEntries(written)).settings).toEqual(load().settings);
  });
});

describe('.env', () => {
  beforeEach(() => write('.env', 'PORT=2\nREPOS_ROOT=/srv\n'));

  it('is read in development, also for catalogue files', () => {
    expect(load({ ENVIRONMENT: 'development' }).settings.PORT).toBe(2);
    expect(load({ ENVIRONMENT: '' }).settings.PORT).toBe(2);
    expect(load().catalogueVariable('REPOS_ROOT')).toBe('/srv');
    expect(load({ REPOS_ROOT: '/home' }).catalogueVariable('REPOS_ROOT')).toBe('/home');
  });

  it.each(['test', 'staging', 'production'])('is not read in %s, wherever that was said', (environment) => {
    expect(load({ ENVIRONMENT: environment }).settings.PORT).toBe(8080);
    expect(load({ ENVIRONMENT: environment }).catalogueVariable('REPOS_ROOT')).toBeUndefined();
    write('sallyport.yaml', `ENVIRONMENT: ${environment}`);
    expect(load().settings).toMatchObject({ ENVIRONMENT: environment, PORT: 8080 });
  });
});

describe('secrets', () => {
  it('may come from a file that NAME_FILE names, relative or absolute', () => {
    write('key', ' the key \n');
    const { settings, sources } = load({ ADMIN_KEY_FILE: 'key' });
    expect([settings.ADMIN_KEY, sources.ADMIN_KEY]).toEqual(['the key', 'secret file']);
    expect(load({ ADMIN_KEY_FILE: join(folder, 'key') }).settings.ADMIN_KEY).toBe('the key');
  });

  it('must be readable, not empty, and said once', () => {
    write('empty', '\n');
    write('key', 'the key');
    expect(mistakes({ ADMIN_KEY_FILE: 'missing' })).toEqual(['ADMIN_KEY_FILE (environment): expected a file that can be read']);
    expect(mistakes({ ADMIN_KEY_FILE: 'empty' })).toEqual(['ADMIN_KEY (secret file): expected a key made by `sallyport keys generate`']);
    expect(mistakes({ ADMIN_KEY_FILE: 'key', ADMIN_KEY: 'other' })).toEqual([
      'ADMIN_KEY and ADMIN_KEY_FILE (environment): give one of them',
    ]);
  });

  it('of no secret are for catalogue files as they are in effect', () => {
    expect(load({}).catalogueVariable('PORT')).toBe('8080');
    write('sallyport.yaml', 'PORT: 9090');
    expect(['PORT', 'TLS_KEY_FILE', 'toString', '__proto__'].map((name) => load({}).catalogueVariable(name))).toEqual([
      '9090',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('are not for catalogue files', () => {
    write('.env', 'ADMIN_KEY=hidden');
    const { catalogueVariable } = load({ ADMIN_KEY_FILE: '', PORT: '1' });
    expect([catalogueVariable('ADMIN_KEY'), catalogueVariable('ADMIN_KEY_FILE'), catalogueVariable('PORT')]).toEqual([
      undefined,
      undefined,
      '1',
    ]);
  });

  it('are read for callers of a server under a name of their own', () => {
    expect([remoteKey({ SALLYPORT_KEY: 'k' }), remoteKey({ SALLYPORT_KEY: '' }), remoteKey({})]).toEqual(['k', undefined, undefined]);
  });
});

describe('mistakes', () => {
  it('are told all at once, by name, place and expectation', () => {
    write('sallyport.yaml', 'PROT: 1\nBODY_LIMIT: huge\nLOG_LEVEL: [info]\n');
    write('.env', 'KILL_GRACE=soon');
    const told = mistakes({
      PORT: '70000',
      RATE_LIMIT_ENABLED: 'yes',
      CORS_ORIGINS: '*',
      TRUSTED_PROXIES: '10.0.0.0/33',
      RATE_LIMIT_PER_KEY: 'often',
    });
    expect(told).toEqual([
      'sallyport.yaml: there is no setting of the name "PROT"',
      'sallyport.yaml: LOG_LEVEL expects a single value',
      'PORT (environment): expected a whole number from 0 to 65535',
      'RATE_LIMIT_ENABLED (environment): expected true or false',
      'RATE_LIMIT_PER_KEY (environment): expected a rate such as 100/min (per s, min, h or d)',
      'BODY_LIMIT (sallyport.yaml): expected a size such as 64KiB or 1MiB',
      expect.stringMatching(/^KILL_GRACE \(\.env\): expected a duration/),
      'CORS_ORIGINS (environment): expected exact origins such as https://ops.example.com, separated by commas',
      'TRUSTED_PROXIES (environment): expected addresses or CIDR ranges, separated by commas',
    ]);
    expect(new SettingsError(told).message.split('\n')).toHaveLength(10);
  });

  it.each([
    ['a list', '- PORT'],
    ['a scalar', 'PORT'],
    ['no YAML', 'PORT: [1\nHOST: x'],
    ['a name said twice', 'PORT: 1\nPORT: 2'],
    ['several documents', 'PORT: 1\n---\nPORT: 2'],
    ['an alias', 'PORT: &a 1\nDATA_DIR: *a'],
    ['an alias to nothing', 'PORT: *a'],
    ['a mapping as a name', '? {a: b}\n: 1'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x50])],
  ])('are what %s in sallyport.yaml is', (_what, text) => {
    write('sallyport.yaml', text);
    expect(mistakes()).not.toEqual([]);
    expect(mistakes().join('\n')).toMatch(/^sallyport\.yaml/);
  });

  it('are files that cannot be read', () => {
    mkdirSync(join(folder, 'sallyport.yaml'));
    mkdirSync(join(folder, '.env'));
    expect(mistakes()).toEqual(['sallyport.yaml: expected a file that can be read', '.env: expected a file that can be read']);
  });

  it('are times that no timer can wait for, and no time at all for a run', () => {
    for (const name of ['RUN_TIMEOUT', 'KILL_GRACE', 'DRAIN_TIMEOUT'])
      expect([name, mistakes({ [name]: '25d' })]).toEqual([name, [expect.stringMatching(`^${name} `)]]);
    expect(mistakes({ RUN_TIMEOUT: '0s' })).toHaveLength(1);
    expect(mistakes({ RUN_TIMEOUT: '24h', KILL_GRACE: '0s', DRAIN_TIMEOUT: '0s' })).toEqual([]);
  });

  it('never show a value, from wherever it came', () => {
    const names = settingEntries().map(([name]) => name);
    const secret = string({ minLength: 6, unit: constantFrom(...'qwxyzQWXYZ#!%') }).map((text) => `${text}-canary`);
    assert(
      property(constantFrom(...names), secret, (name, value) => {
        write('sallyport.yaml', JSON.stringify({ [name]: value }));
        expect(mistakes().join('\n')).not.toContain('canary');
        write('sallyport.yaml', `${name}=${value}: x\n`);
        expect(mistakes().join('\n')).not.toContain('canary');
        rmSync(join(folder, 'sallyport.yaml'));
        expect(mistakes({ [name]: value }).join('\n')).not.toContain('canary');
      }),
      { numRuns: 60 },
    );
  });
});
