import type { TripwireRule } from '../domain/tripwire.js';
import { type Arguments, MOST_ARGUMENTS, type Pattern } from './rule.js';
import { plain, type Segment, segmentsOf } from './shell-words.js';
import { SYSTEM_PATTERNS } from './system-patterns.js';
import { TAKEOVER_PATTERNS } from './takeover-patterns.js';

const PATTERNS = new Map<string, Pattern[]>();
for (const pattern of [...SYSTEM_PATTERNS, ...TAKEOVER_PATTERNS]) {
  for (const program of pattern.programs) PATTERNS.set(program, [...(PATTERNS.get(program) ?? []), pattern]);
}

/** What may stand before the program that it starts. */
const WRAPPERS = new Set(
  'sudo doas env nohup nice ionice timeout setsid stdbuf exec command builtin time xargs busybox then do else'.split(' '),
);
const SHELLS = /^(?:(?:ba|da|z|k|c|tc|a|fi)?sh|python[\d.]*|perl|ruby|node|php|pwsh|powershell|iex|invoke-expression|cmd)(?:\.exe)?$/;
const DOWNLOADERS = /^(?:curl|wget|fetch|aria2c|lwp-request|iwr|invoke-webrequest|irm|invoke-restmethod|http|https)(?:\.exe)?$/;
/** What pours out text that a shell would then run. */
const SOURCES =
  /^(?:echo|printf|cat|base64|base32|xxd|openssl|gzip|gunzip|zcat|bzcat|xzcat|unxz|tr|rev|sed|awk|head|tail|tee|nc|ncat|telnet|socat|dig|perl|python[\d.]*)$/;
const EVALUATORS = /^(?:eval|source|\.|exec)$/;

/** Programs of a pipe so far, and what the command around an inner one is. */
interface Context {
  pours: boolean;
  downloads: boolean;
  outer: string;
}

/**
 * The first rule that a text trips. A tripwire and no boundary: it catches the usual, and whoever knows it gets around it.
 * Takes time in proportion to the text.
 */
export function trippedBy(text: string, ignored: readonly TripwireRule[] = []): TripwireRule | undefined {
  const isOn = (rule: TripwireRule) => !ignored.includes(rule);
  const context: Context = { pours: false, downloads: false, outer: '' };
  for (const segment of segmentsOf(text)) {
    const found = pipedRule(segment, context);
    if (found && isOn(found)) return found;
    const pattern = patternIn(segment, isOn);
    if (pattern) return pattern;
  }
  return WHOLE_TEXT.find(([rule, trips]) => isOn(rule) && trips(text))?.[0];
}

/** Programs looked at in one simple command: more of them only cost time. */
const MOST_LOOKS = 128;
/** Programs with a `rm` of their own. */
const KEEPERS = new Set(['git', 'svn', 'hg', 'docker', 'podman', 'npm']);

function patternIn({ words }: Segment, isOn: (rule: TripwireRule) => boolean): TripwireRule | undefined {
  let head: string | undefined;
  let looks = 0;
  for (const [index, word] of words.entries()) {
    const name = programOf(word);
    const patterns = PATTERNS.get(name);
    if (patterns && !(name === 'rm' && head !== undefined && KEEPERS.has(head))) {
      const args = argumentsAfter(words, index);
      const found = patterns.find(({ rule, atHead, when }) => !(atHead && head !== undefined) && isOn(rule) && when(args));
      if (found) return found.rule;
      if (++looks === MOST_LOOKS) return undefined;
    }
    if (head === undefined && !isPassed(word, name)) head = name;
  }
  return undefined;
}

/** `curl … | sh`, `echo … | base64 -d | bash`, `sh -c "$(wget …)"`, `source <(curl …)`. */
function pipedRule({ words, joint }: Segment, context: Context): TripwireRule | undefined {
  const at = words.findIndex((word) => !isPassed(word, programOf(word)));
  const program = programOf(words[at] ?? '');
  const downloads = DOWNLOADERS.test(program);
  if (joint === 'inner') {
    if (downloads && (SHELLS.test(context.outer) || EVALUATORS.test(context.outer))) return 'pipe-to-shell';
    return undefined;
  }
  const runsInput =
    SHELLS.test(program) && words.slice(at + 1, at + 1 + MOST_ARGUMENTS).every((word) => word.startsWith('-') && word !== '-c');
  const wasPouring = joint === 'pipe' && (context.pours || context.downloads);
  context.outer = program;
  context.downloads = downloads || (joint === 'pipe' && context.downloads);
  context.pours = SOURCES.test(program) || (joint === 'pipe' && context.pours);
  return wasPouring && runsInput ? 'pipe-to-shell' : undefined;
}

/** Whether what follows may still be a program: after wrappers, their options, numbers and assignments. */
function isPassed(word: string, name: string): boolean {
  return WRAPPERS.has(name) || word.startsWith('-') || /^(?:\d+[smhd]?|[A-Za-z_]\w{0,60}=.*|[#$%])$/s.test(word.length > 200 ? '' : word);
}

function programOf(word: string): string {
  if (word.length > 300) return '';
  const name = word.slice(word.lastIndexOf('/') + 1).toLowerCase();
  if (name.startsWith('mkfs.')) return 'mkfs';
  return name.endsWith('.exe') ? name.slice(0, -4) : name;
}

function argumentsAfter(words: readonly string[], index: number): Arguments {
  return words.slice(index + 1, index + 1 + MOST_ARGUMENTS);
}

/** What shows only over several commands. */
const WHOLE_TEXT: readonly (readonly [TripwireRule, (text: string) => boolean])[] = [
  ['fork-bomb', isForkBomb],
  ['reverse-shell', isReverseShell],
  ['history-wipe', (text) => text.includes('HISTFILE=/dev/null') || text.includes('HISTSIZE=0')],
  ['system-halt', (text) => text.includes('/proc/sysrq-trigger')],
  ['persistence', (text) => text.includes('LD_PRELOAD=') || text.includes('/etc/ld.so.preload')],
];

/** `:(){ :|:& };:` under any name, and its kin in other languages. */
function isForkBomb(text: string): boolean {
  if (text.includes('%0|%0')) return true;
  if (!text.includes('()') && !text.includes('fork')) return false;
  const compact = plain(text).replace(/\s+/g, '');
  if (/forkwhile(?:fork|1|true)|while(?:\(1\)|\(true\)|1:|True:)\{?(?:os\.)?fork/.test(compact)) return true;
  for (let at = compact.indexOf('(){'); at >= 0; at = compact.indexOf('(){', at + 1)) {
    const name = /[\w:.]{1,32}$/.exec(compact.slice(Math.max(0, at - 32), at))?.[0].replace(/^function/, '');
    if (name && compact.startsWith(`${name}|${name}`, at + 3)) return true;
  }
  return false;
}

function isReverseShell(text: string): boolean {
  if (/\/dev\/(?:tcp|udp)\//.test(text)) return true;
  const has = (part: string) => text.includes(part);
  if (has('mkfifo') && (has('nc ') || has('ncat ') || has('telnet ') || has('openssl '))) return true;
  const opensSocket = has('socket') || has('Socket') || has('fsockopen');
  return opensSocket && (has('os.dup2') || has('pty.spawn') || has('/bin/sh') || has('/bin/bash') || has('cmd.exe'));
}
