import { follows, hasFlag, isDisk, isSystemFolder, names, operandsOf, type Pattern, short } from './rule.js';

const WORLD_MODE = /^(?:0?777|0?000|0?666|(?:a|ugo)?[+=]rwx|(?:a|ugo)?-rwx|o\+w|a\+w)$/;
const GUARDS =
  /^(?:auditd|firewalld|apparmor|selinux|rsyslog|syslog|fail2ban|ufw|iptables|nftables|falco|crowdstrike|clamav\S*)(?:\.service)?$/i;
const LOGS = /(?:_history|^\/var\/log\/.*|\/\.(?:bash|zsh|sh|python|mysql|psql)_?history)$/;

/** Ways to break or blind a system: files, disks, rights, traces, guards. */
export const SYSTEM_PATTERNS: readonly Pattern[] = [
  { rule: 'recursive-deletion', programs: ['rm'], when: (args) => hasFlag(args, 'rR', '--recursive') },
  { rule: 'recursive-deletion', programs: ['rm'], when: (args) => operandsOf(args).some(isSystemFolder) },
  {
    rule: 'recursive-deletion',
    programs: ['find'],
    when: (args) => args.includes('-delete') || follows(args, '-exec', /^(?:\S*\/)?(?:rm|shred|unlink)$/),
  },
  { rule: 'recursive-deletion', programs: ['rd', 'rmdir', 'del', 'erase'], when: (args) => names(args, '/s') },
  { rule: 'recursive-deletion', programs: ['remove-item', 'ri'], when: (args) => args.some((arg) => /^-rec/i.test(arg)) },
  { rule: 'recursive-deletion', programs: ['rimraf'], atHead: true, when: (args) => args.length > 0 },
  { rule: 'recursive-deletion', programs: ['shutil.rmtree', 'fileutils.rm_rf', 'rmtree'], when: () => true },
  {
    rule: 'recursive-deletion',
    programs: ['git'],
    when: (args) => args[0] === 'clean' && hasFlag(args, 'f', '--force') && hasFlag(args, 'dx'),
  },

  { rule: 'disk-wipe', programs: ['mkfs', 'mke2fs', 'mkswap', 'mkntfs'], when: (args) => args.some((arg) => arg.startsWith('/dev/')) },
  {
    rule: 'disk-wipe',
    programs: ['dd', 'cp', 'mv', 'tee', 'cat', 'shred', 'wipefs', 'blkdiscard', 'sgdisk', 'parted', 'fdisk', 'sfdisk', 'hdparm', 'nvme'],
    when: (args) => args.some(isDisk) && !isListing(args),
  },
  {
    rule: 'disk-wipe',
    programs: ['echo', 'printf', ':', 'yes'],
    when: (args) => args.some((arg, index) => arg === '>' && isDisk(args[index + 1] ?? '')),
  },
  { rule: 'disk-wipe', programs: ['cryptsetup'], when: (args) => names(args, 'luksformat', 'lukserase', 'erase') },
  { rule: 'disk-wipe', programs: ['zpool', 'zfs'], atHead: true, when: (args) => args[0] === 'destroy' },
  { rule: 'disk-wipe', programs: ['lvremove', 'vgremove', 'pvremove'], atHead: true, when: (args) => args.length > 0 },
  { rule: 'disk-wipe', programs: ['diskutil'], when: (args) => args.some((arg) => /^(?:erase|zero|random)/i.test(arg)) },
  { rule: 'disk-wipe', programs: ['format', 'format.com'], atHead: true, when: (args) => /^[a-z]:$/i.test(short(args[0])) },
  { rule: 'disk-wipe', programs: ['clear-disk', 'format-volume'], when: (args) => args.length > 0 },

  {
    rule: 'permission-wipe',
    programs: ['chmod'],
    when: (args) => args.some((arg) => WORLD_MODE.test(short(arg))) && (hasFlag(args, 'R', '--recursive') || args.some(isSystemFolder)),
  },
  {
    rule: 'permission-wipe',
    programs: ['chown', 'chgrp', 'setfacl'],
    when: (args) => hasFlag(args, 'R', '--recursive') && args.some(isSystemFolder),
  },
  {
    rule: 'permission-wipe',
    programs: ['icacls', 'cacls'],
    when: (args) => args.some((arg) => /^\/?(?:grant|everyone)/i.test(arg)) && names(args, '/t'),
  },
  { rule: 'permission-wipe', programs: ['takeown'], when: (args) => names(args, '/r') },

  { rule: 'history-wipe', programs: ['history'], atHead: true, when: (args) => hasFlag(args, 'cd') },
  {
    rule: 'history-wipe',
    programs: ['unset', 'export'],
    when: (args) => args.some((arg) => /^HIST(?:FILE|SIZE|FILESIZE)(?:=(?:\/dev\/null|0)?)?$/.test(short(arg))),
  },
  { rule: 'history-wipe', programs: ['>'], atHead: true, when: (args) => LOGS.test(short(args[0])) },
  { rule: 'history-wipe', programs: ['clear-history'], atHead: true, when: () => true },
  { rule: 'history-wipe', programs: ['set'], atHead: true, when: (args) => args[0] === '+o' && args[1] === 'history' },
  {
    rule: 'history-wipe',
    programs: ['rm', 'shred', 'truncate', 'unlink', 'srm'],
    when: (args) => args.some((arg) => LOGS.test(short(arg))),
  },
  { rule: 'history-wipe', programs: ['cat', 'echo', ':', '>', 'cp', 'ln', 'true', 'printf'], atHead: true, when: (args) => wipesLog(args) },
  { rule: 'history-wipe', programs: ['journalctl'], when: (args) => args.some((arg) => arg.startsWith('--vacuum')) },
  { rule: 'history-wipe', programs: ['wevtutil'], when: (args) => names(args, 'cl', 'clear-log') },
  { rule: 'history-wipe', programs: ['auditctl'], when: (args) => args.includes('-D') || follows(args, '-e', /^0$/) },

  {
    rule: 'system-halt',
    programs: ['shutdown', 'reboot', 'halt', 'poweroff'],
    atHead: true,
    when: (args) => args.every((arg) => /^(?:-.*|\/[a-z]|now|\+?\d.*)$/i.test(short(arg))),
  },
  { rule: 'system-halt', programs: ['init', 'telinit'], atHead: true, when: (args) => args[0] === '0' || args[0] === '6' },
  {
    rule: 'system-halt',
    programs: ['systemctl'],
    when: (args) => names(args, 'poweroff', 'reboot', 'halt', 'kexec', 'emergency', 'rescue'),
  },
  { rule: 'system-halt', programs: ['kill'], when: (args) => args.includes('-1') && args.length > 1 },
  { rule: 'system-halt', programs: ['stop-computer', 'restart-computer', 'killall5'], when: () => true, atHead: true },

  { rule: 'security-off', programs: ['iptables', 'ip6tables'], when: (args) => hasFlag(args, 'F', '--flush') },
  { rule: 'security-off', programs: ['nft'], when: (args) => args[0] === 'flush' },
  { rule: 'security-off', programs: ['ufw'], when: (args) => names(args, 'disable', 'reset') },
  { rule: 'security-off', programs: ['setenforce'], when: (args) => args[0] === '0' || names(args, 'permissive') },
  {
    rule: 'security-off',
    programs: ['systemctl', 'service'],
    when: (args) => names(args, 'stop', 'disable', 'mask', 'kill') && args.some((arg) => GUARDS.test(short(arg))),
  },
  { rule: 'security-off', programs: ['set-mppreference'], when: (args) => args.some((arg) => /^-disable/i.test(arg)) },
  { rule: 'security-off', programs: ['aa-teardown', 'aa-disable'], when: () => true },
];

function isListing(args: readonly string[]): boolean {
  return hasFlag(args, 'l', '--list') || names(args, 'print', 'list', 'id-ctrl', 'smart-log');
}

/** `> log` without a source that one would want there, or a link of it to nowhere. */
function wipesLog(args: readonly string[]): boolean {
  return (
    args.some(
      (arg, index) =>
        arg === '>' &&
        LOGS.test(short(args[index + 1])) &&
        !operandsOf(args).some((word) => word !== args[index + 1] && word !== '/dev/null'),
    ) ||
    (args.includes('/dev/null') && args.some((arg) => LOGS.test(short(arg))))
  );
}
