import { follows, hasFlag, names, type Pattern, short } from './rule.js';

/** What stands after `sudo` in a sentence and not in a command. */
const PROSE =
  /^(?:is|was|are|has|can|may|will|and|or|to|for|with|without|the|a|an|in|on|of|by|if|when|access|rights|command|privileges|password|group|user|users)$/i;
const ROOT_GROUPS = /^(?:sudo|wheel|root|docker|adm|admin|administrators|lxd)$/i;
const PRIVATE_FILES = /(?:^\/etc\/g?shadow-?$|\/\.ssh\/id_(?:rsa|dsa|ecdsa|ed25519)$|\.aws\/credentials$|\/etc\/sudoers$|\/krb5\.keytab$)/;
/** Files that let somebody in again later. */
const DOORS = /(?:\/authorized_keys|^\/etc\/(?:ld\.so\.preload|cron\S*|profile|rc\.local|passwd|sudoers\S*))$/;
const SHELL = /^(?:\S*\/)?(?:ba|da|z|k|c|a)?sh$|^(?:\S*\/)?cmd(?:\.exe)?$/;

const READERS = [
  'cat',
  'less',
  'more',
  'head',
  'tail',
  'cp',
  'scp',
  'base64',
  'xxd',
  'strings',
  'tac',
  'nl',
  'od',
  'awk',
  'sed',
  'grep',
  'curl',
  'tar',
  'zip',
  'dd',
  'rsync',
  'vi',
  'vim',
  'nano',
  'unshadow',
];

/** Ways to become somebody else, to stay, to phone home, to take secrets. */
export const TAKEOVER_PATTERNS: readonly Pattern[] = [
  {
    rule: 'privilege-escalation',
    programs: ['sudo', 'doas', 'pkexec'],
    atHead: true,
    when: (args) => args.length > 0 && !PROSE.test(short(args[0])),
  },
  {
    rule: 'privilege-escalation',
    programs: ['su'],
    atHead: true,
    when: (args) => args.length === 0 || args[0] === '-' || args[0] === 'root' || hasFlag(args, 'lc'),
  },
  { rule: 'privilege-escalation', programs: ['runas'], when: (args) => args.some((arg) => /^\/user:/i.test(arg)) },
  {
    rule: 'privilege-escalation',
    programs: ['chmod'],
    when: (args) => args.some((arg) => /^(?:[ugoa]*\+[rwx]*s[rwx]*|0?[2467][0-7]{3})$/.test(short(arg))),
  },
  { rule: 'privilege-escalation', programs: ['setcap'], when: (args) => args.some((arg) => /^cap_/i.test(arg)) },
  {
    rule: 'privilege-escalation',
    programs: ['usermod', 'adduser', 'gpasswd', 'addgroup'],
    when: (args) => args.some((arg) => ROOT_GROUPS.test(short(arg))),
  },
  {
    rule: 'privilege-escalation',
    programs: ['useradd', 'usermod'],
    when: (args) => follows(args, '-u', /^0$/) || args.includes('--uid=0') || hasFlag(args, 'o', '--non-unique'),
  },
  { rule: 'privilege-escalation', programs: ['passwd'], atHead: true, when: (args) => names(args, 'root', '-d', '-u') },
  { rule: 'privilege-escalation', programs: ['visudo', 'chpasswd'], atHead: true, when: () => true },
  { rule: 'privilege-escalation', programs: ['nopasswd:', 'nopasswd:all'], when: () => true },
  {
    rule: 'privilege-escalation',
    programs: ['nsenter'],
    when: (args) =>
      follows(args, '-t', /^1$/) || follows(args, '--target', /^1$/) || args.some((arg) => arg === '-t1' || arg === '--target=1'),
  },
  {
    rule: 'privilege-escalation',
    programs: ['docker', 'podman', 'nerdctl'],
    when: (args) =>
      args.includes('--privileged') || args.some((arg) => /^(?:-v|--volume=|--mount=)?\/:\//.test(arg)) || args.includes('--pid=host'),
  },

  {
    rule: 'reverse-shell',
    programs: ['nc', 'ncat', 'netcat', 'nc.traditional', 'nc.openbsd'],
    when: (args) =>
      (hasFlag(args, 'ec', '--exec', '--sh-exec') && args.some((arg) => SHELL.test(short(arg)))) ||
      args.some((arg) => /^--(?:sh-)?exec$/.test(arg)),
  },
  { rule: 'reverse-shell', programs: ['socat'], when: (args) => args.some((arg) => /^(?:exec|system):/i.test(arg)) },
  {
    rule: 'reverse-shell',
    programs: ['pty.spawn', 'new-object'],
    when: (args) => args.length === 0 || args.some((arg) => /^(?:system\.)?net\.sockets\.tcpclient$/i.test(arg)),
  },

  { rule: 'persistence', programs: ['crontab'], atHead: true, when: (args) => args.includes('-') || hasFlag(args, 'r') },
  { rule: 'persistence', programs: ['tee', 'cp', 'mv', 'install'], when: (args) => args.some((arg) => DOORS.test(short(arg))) },
  { rule: 'persistence', programs: ['echo', 'cat', 'printf'], when: (args) => follows(args, '>', DOORS) },
  { rule: 'persistence', programs: ['schtasks'], when: (args) => names(args, '/create') },

  { rule: 'credential-read', programs: READERS, when: (args) => args.some((arg) => PRIVATE_FILES.test(short(arg).replace(/^@/, ''))) },
  {
    rule: 'credential-read',
    programs: ['mimikatz', 'mimikatz.exe', 'sekurlsa::logonpasswords', 'procdump'],
    when: (args) => args.length === 0 || names(args, 'lsass', 'lsass.exe', 'privilege::debug'),
  },

  { rule: 'sql-wipe', programs: ['drop'], when: (args) => names(args.slice(0, 1), 'database', 'schema', 'table') && args.length > 1 },
  { rule: 'sql-wipe', programs: ['truncate'], when: (args) => names(args.slice(0, 1), 'table') && args.length > 1 },
  { rule: 'sql-wipe', programs: ['delete'], when: (args) => names(args.slice(0, 1), 'from') && args.length === 2 },
  { rule: 'sql-wipe', programs: ['redis-cli'], when: (args) => names(args, 'flushall', 'flushdb') },
  { rule: 'sql-wipe', programs: ['flushall', 'flushdb', 'db.dropdatabase', 'dropdb'], atHead: true, when: () => true },
];
