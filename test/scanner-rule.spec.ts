import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { RE2JS } from 're2js';
import { formatKey, generateKey } from '../src/auth/key-format.js';

const text = readFileSync('docs/scanner-rule.toml', 'utf8');
const field = (name: string) => new RegExp(`^${name} = (?:'''(.*)'''|"(.*)"|(.*))$`, 'm').exec(text)?.slice(1).find(Boolean) ?? '';
const expression = RE2JS.compile(field('regex'));

/** What the rule finds in a line, as a scanner that takes RE2 would. */
function found(line: string): string[] {
  const matcher = expression.matcher(line);
  const secrets: string[] = [];
  while (matcher.find()) secrets.push(matcher.group(Number(field('secretGroup'))) ?? '');
  return secrets.filter((secret) => entropyOf(secret) >= Number(field('entropy')));
}

/** Bits a character, after Shannon, as gitleaks has it. */
function entropyOf(secret: string): number {
  const shares = [...new Set(secret)].map((character) => (secret.split(character).length - 1) / secret.length);
  return -shares.reduce((sum, share) => sum + share * Math.log2(share), 0);
}

describe('docs/scanner-rule.toml', () => {
  it.each<[string, (key: string) => string]>([
    ['alone', (key) => key],
    ['an assignment of a shell', (key) => `export SALLYPORT_KEY=${key}`],
    ['a header', (key) => `curl -H "X-API-Key: ${key}" http://127.0.0.1:8080/run`],
    ['a bearer token', (key) => `authorization: Bearer ${key},`],
    ['JSON', (key) => JSON.stringify({ key })],
    ['YAML', (key) => `  key: ${key} # of the pipeline`],
    ['an address', (key) => `https://ops:${key}@gateway.example.com/`],
    ['a query', (key) => `?api_key=${key}&x=1`],
    ['Markdown', (key) => `use \`${key}\`.`],
    ['a name in front', (key) => `prod_${key}`],
  ])('finds every key in its surroundings: %s', (_where, line) => {
    for (let sample = 0; sample < 500; sample++) {
      const { text: key } = generateKey();
      expect(found(line(key))).toEqual([key]);
    }
  });

  it('finds no look-alike', () => {
    const { text: key, id } = generateKey();
    const lookAlikes = [
      key.slice(0, -1),
      `${key}a`,
      `x${key}`,
      key.replace('slp_', 'slp-'),
      key.replace('slp_', 'SLP_'),
      `slp_${id}-${key.slice(17)}`,
      `slp_${id}_${key.slice(17, -3)}…`,
      `slp_${id}`,
      'slp_',
      formatKey({ id: 'x'.repeat(12), secret: 'x'.repeat(32) }),
      'help_me_with_slp_12345',
    ];
    for (const line of lookAlikes) expect([line, found(line)]).toEqual([line, []]);
  });

  it('has the word that scanners look for first in every key', () => {
    expect(text).toContain('keywords = ["slp_"]');
    expect(generateKey().text.toLowerCase()).toContain('slp_');
  });

  it('is explained with a checksum that is right', () => {
    const [id, secret] = ['0'.repeat(12), 'A'.repeat(32)];
    const checksum = formatKey({ id, secret }).slice(-6);
    expect(readFileSync('docs/key-format.md', 'utf8')).toContain(`it is \`${checksum}\``);
  });
});
