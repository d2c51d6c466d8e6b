import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseMasterKey } from './master-key-text.js';
import { loadSettings } from './settings.js';

describe('the text of a master key', () => {
  it('is 32 random bytes as base64, base64url or hex', () => {
    for (let round = 0; round < 200; round += 1) {
      const key = randomBytes(32);
      const texts = [key.toString('hex'), key.toString('hex').toUpperCase(), key.toString('base64'), key.toString('base64url')];
      for (const text of [...texts, `${texts[2]}\n`]) expect(parseMasterKey(text)).toEqual(key);
    }
  });

  const random = randomBytes(32);
  it.each([
    ['nothing', ''],
    ['16 bytes', random.subarray(16).toString('hex')],
    ['31 bytes', random.subarray(1).toString('base64')],
    ['33 bytes', Buffer.concat([random, random.subarray(31)]).toString('base64')],
    ['another form', `0x${random.toString('hex')}`],
    ['a word', 'correct horse battery staple, and then some'],
    ['zeros', Buffer.alloc(32).toString('hex')],
    ['two bytes in turn', 'ab12'.repeat(16)],
    ['a short secret, repeated', Buffer.concat(Array<Buffer>(4).fill(random.subarray(0, 8))).toString('base64')],
    ['a passphrase', Buffer.from('correct horse battery staple 123').toString('base64')],
    ['a sequence', Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('hex')],
    ['a sequence down', Buffer.from(Array.from({ length: 32 }, (_, index) => 255 - 3 * index)).toString('hex')],
  ])('is not %s', (_what, text) => {
    expect(parseMasterKey(text)).toBeUndefined();
  });

  it('is refused as a setting by its name, never with its value, and read from a file', () => {
    const weak = 'ab12'.repeat(16);
    const load = (environment: Record<string, string>) => () => loadSettings({ ENVIRONMENT: 'test', ...environment }, tmpdir());
    expect(load({ SECRETS_KEY: weak })).toThrow(/SECRETS_KEY \(environment\): expected 32 random bytes/);
    expect(load({ SECRETS_KEY: weak })).not.toThrow(new RegExp(weak));
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-'));
    writeFileSync(join(folder, 'key'), `${random.toString('base64')}\n`);
    expect(load({ SECRETS_KEY_FILE: join(folder, 'key') })().settings.SECRETS_KEY).toEqual(random);
    expect(load({ SECRETS_KEY: random.toString('hex') })().catalogueVariable('SECRETS_KEY')).toBeUndefined();
    rmSync(folder, { recursive: true });
  });
});
