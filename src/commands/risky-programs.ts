/** What a program makes of a value that nobody expected. */
interface Risk {
  /** For people, after the program's name: `git, which …`. */
  readonly why: string;
  /** Options whose value is a program or a place to write to, without dashes. Given: everything else behind `--` or `--option=` is data. */
  readonly options?: readonly string[];
  /** Words on the command line with which even what stands behind `--` is more than data. */
  readonly unless?: readonly string[];
}

const RUNS_CODE = 'takes programs as arguments';
const STARTS = 'starts the program it is told to';
const REMOTE = 'has options that run programs, and reaches other hosts';
const WRITES = 'writes wherever it is told to';
const CONTAINERS = 'starts programs with whatever rights its options give them';
const CLIENT = 'has commands of its own that run programs';

function same(risk: Risk, programs: string): readonly (readonly [string, Risk])[] {
  return programs.split(' ').map((program) => [program, risk]);
}

/** Programs that an argument can turn into something else. Each is known to be used so (GTFOBins, and their manuals). */
const RISKS: ReadonlyMap<string, Risk> = new Map([
  ...same(
    { why: RUNS_CODE },
    'sed awk gawk mawk nawk find xargs parallel make gmake cmake vi vim nvim view ed ex emacs nano less more man expect gdb jq yq m4 bc',
  ),
  ...same(
    { why: RUNS_CODE },
    'sh bash dash zsh ksh fish tcsh csh busybox python python2 python3 pypy pypy3 perl ruby node nodejs deno bun php lua tclsh pwsh powershell osascript eval',
  ),
  ...same(
    { why: STARTS },
    'env nice ionice nohup timeout setsid stdbuf time watch strace ltrace script unshare nsenter chroot flock taskset setarch sudo doas su runuser pkexec at batch crontab systemd-run start-stop-daemon',
  ),
  ...same({ why: REMOTE }, 'ssh scp sftp rsync curl wget aria2c ftp lftp nc ncat netcat socat telnet openssl nmap tcpdump dig'),
  ...same(
    { why: CONTAINERS },
    'docker podman nerdctl ctr crictl kubectl oc helm virsh lxc vagrant terraform ansible ansible-playbook systemctl service',
  ),
  ...same(
    { why: WRITES },
    'tee dd cp mv ln install rm truncate shred touch mkdir rmdir chmod chown chgrp mount umount split csplit patch gpg ffmpeg convert magick wkhtmltopdf',
  ),
  ...same(
    { why: CLIENT },
    'psql mysql mariadb sqlite3 mongo mongosh redis-cli npm npx yarn pnpm pip pip3 gem cargo go mvn gradle apt apt-get dpkg rpm yum dnf snap',
  ),
  [
    'tar',
    {
      why: 'has options that run programs',
      options: [
        'checkpoint-action',
        'to-command',
        'use-compress-program',
        'info-script',
        'new-volume-script',
        'rsh-command',
        'rmt-command',
        'file',
        'directory',
        'files-from',
        'transform',
        'xform',
      ],
    },
  ],
  ['zip', { why: 'has options that run programs', options: ['unzip-command', 'out', 'output-file'] }],
  [
    'sort',
    { why: 'has options that run programs and write files', options: ['compress-program', 'output', 'files0-from', 'temporary-directory'] },
  ],
  [
    'git',
    {
      why: 'has options and settings that run programs',
      options: [
        'upload-pack',
        'receive-pack',
        'exec',
        'exec-path',
        'config-env',
        'output',
        'open-files-in-pager',
        'extcmd',
        'template',
        'git-dir',
        'work-tree',
      ],
      unless: [
        'clone',
        'fetch',
        'pull',
        'push',
        'remote',
        'ls-remote',
        'submodule',
        'config',
        'bisect',
        'rebase',
        'filter-branch',
        'difftool',
        'mergetool',
        'archive',
        'daemon',
      ],
    },
  ],
]);

/** Undefined for a program that is not known to do more with an argument than it says. */
export function riskOf(program: string): Risk | undefined {
  return RISKS.get(program.slice(program.lastIndexOf('/') + 1).replace(/^(python|pypy|perl|php|lua)[\d.]+$/, '$1'));
}
