import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TRIPWIRE_RULES, type TripwireRule } from '../src/domain/tripwire.js';
import { trippedBy } from '../src/tripwire/tripwire.js';

interface Sample {
  readonly rule: TripwireRule;
  /** Written to get around it; or after the rules, which were not changed for it. */
  readonly kind: 'plain' | 'hiding' | 'unseen';
  readonly text: string;
}

const lines = (file: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('# '));
const harmful: Sample[] = lines('test/corpus/tripwire-harmful.txt').map((line) => {
  const [, rule = '', mark = '', text = ''] = /^([a-z-]+)([~?]?): (.*)$/.exec(line) ?? [];
  const kind = mark === '' ? 'plain' : mark === '~' ? 'hiding' : 'unseen';
  return { rule: rule as TripwireRule, kind, text: text.replaceAll('\\n', '\n') };
});
const harmless = lines('test/corpus/tripwire-harmless.txt');
const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;

describe('the tripwire', () => {
  it('has samples for each of its rules, and none for others', () => {
    expect([...new Set(harmful.map(({ rule }) => rule))].sort()).toEqual([...TRIPWIRE_RULES].sort());
  });

  it('misses and alarms as often as the documentation says', () => {
    const rows = TRIPWIRE_RULES.map((rule) => {
      const own = harmful.filter((sample) => sample.rule === rule);
      const caught = (kind: Sample['kind']) => {
        const samples = own.filter((sample) => sample.kind === kind);
        return `${samples.filter(({ text }) => trippedBy(text) !== undefined).length} of ${samples.length}`;
      };
      return `| \`${rule}\` | ${caught('plain')} | ${caught('unseen')} | ${caught('hiding')} |`;
    });
    const missed = (kind: Sample['kind']) => {
      const samples = harmful.filter((sample) => sample.kind === kind);
      return percent(samples.filter(({ text }) => !trippedBy(text)).length, samples.length);
    };
    const alarms = harmless.filter((text) => trippedBy(text) !== undefined);
    const summary = `Misses: ${missed('plain')} of plain samples, ${missed('unseen')} of unseen ones, ${missed('hiding')} of those that hide. False alarms: ${alarms.length} of ${harmless.length} harmless texts (${percent(alarms.length, harmless.length)}).`;
    const page = readFileSync('docs/policy.md', 'utf8').replace(/ +/g, ' ');
    expect(page).toContain(summary);
    for (const row of rows) expect(page).toContain(row);
  });

  it('names the right rule for plain samples', () => {
    const wrong = harmful.filter(({ kind, rule, text }) => kind !== 'hiding' && ![undefined, rule].includes(trippedBy(text)));
    expect(wrong.length / harmful.length).toBeLessThan(0.05);
  });

  it('alarms less than once per 100 kB of ordinary text', () => {
    const text = [
      ...['README.md', 'CONTRIBUTING.md', 'package-lock.json', 'docs/openapi.json'],
      ...readdirSync('src', { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.startsWith('tripwire'))
        .map((name) => `src/${name}`),
    ].flatMap((file) => readFileSync(file, 'utf8').split('\n'));
    const alarms = text.filter((line) => trippedBy(line) !== undefined);
    const bytes = text.reduce((sum, line) => sum + line.length + 1, 0);
    expect({ alarms, isRare: alarms.length < bytes / 100_000 }).toMatchObject({ isRare: true });
  });

  it('takes time in proportion to the text, whatever the text [T60]', () => {
    const costOf = (unit: string, bytes: number) => {
      const text = unit.repeat(Math.ceil(bytes / unit.length)).slice(0, bytes);
      const before = process.cpuUsage();
      trippedBy(text);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    };
    const isInProportion = (unit: string) => {
      const small = Math.max(2, Math.min(costOf(unit, 500_000), costOf(unit, 500_000)));
      return costOf(unit, 10_000_000) < 80 * small + 500;
    };
    const units = ['a', 'rm ', 'curl ', '| ', '$(', ':(){:', '${IFS}', 'a=b ', 'x,'];
    // What a busy machine adds to one try it does not add to all five; what is not linear shows in each.
    for (const unit of units) expect([unit, [1, 2, 3, 4, 5].some(() => isInProportion(unit))]).toEqual([unit, true]);
  }, 120_000);

  it('takes any text, and its rules can be left out one by one', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => void trippedBy(text)));
    expect(trippedBy('rm -rf / | sudo id')).toBe('recursive-deletion');
    expect(trippedBy('rm -rf / | sudo id', ['recursive-deletion'])).toBe('privilege-escalation');
  });
});
