import { lstatSync, readlinkSync } from 'node:fs';
import type { Sandbox } from '../domain/sandbox.js';

/** Descriptors that bubblewrap itself uses; it closes them before the program starts. */
export const STATUS_FD = 3;
export const GATE_FD = 4;
export const FILTER_FD = 5;

/** Nobody, on every Linux there is. */
const UNPRIVILEGED_ID = '65534';
const TEMPORARY_BYTES = 256 * 1024 ** 2;
const SHARED_MEMORY_BYTES = 64 * 1024 ** 2;

/** Programs and libraries. Where one of them is a link (`/bin` → `usr/bin`), it is one inside too. */
const SYSTEM_FOLDERS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store', '/gnu/store'];
/** What programs need to find libraries, names and times. Nothing here is secret: no private keys, no passwords. */
const SYSTEM_FILES = [
  ...['alternatives', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'localtime', 'timezone', 'nsswitch.conf', 'passwd', 'group'],
  ...['hosts', 'services', 'protocols', 'mime.types', 'magic', 'locale.alias', 'locale.conf', 'os-release', 'debian_version'],
  ...['ssl/certs', 'ssl/openssl.cnf', 'ca-certificates', 'pki/ca-trust', 'pki/tls/certs', 'pki/tls/openssl.cnf', 'crypto-policies'],
].map((name) => `/etc/${name}`);
const NETWORK_FILES = ['/etc/resolv.conf', '/etc/gai.conf', '/etc/host.conf'];

/** A sandbox to be built. */
export interface SandboxPlan {
  readonly sandbox: Sandbox;
  /** Working folder inside; it is to be seen there. */
  readonly cwd: string;
  /** Files to be seen besides: the program itself, private files. */
  readonly files: readonly string[];
  /** Covered wherever they would be seen: the gateway's own data. */
  readonly hidden: readonly string[];
}

/**
 * The arguments of bwrap(1), up to the program: namespaces of its own, a system that cannot be written, an empty /tmp, no capabilities,
 * no way to get new ones, dead with its parent. The environment is the caller's business.
 */
export function bubblewrapArguments({ sandbox, cwd, files, hidden }: SandboxPlan): string[] {
  const places = placesOf(sandbox, [...files, ...(cwd === '/' ? [] : [cwd])]);
  const seen = (path: string) => places.some((place) => contains(place.path, path));
  return [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(sandbox.profile === 'network' ? [] : ['--unshare-net']),
    ...['--uid', UNPRIVILEGED_ID, '--gid', UNPRIVILEGED_ID, '--cap-drop', 'ALL', '--die-with-parent'],
    ...SYSTEM_FOLDERS.flatMap(systemFolder),
    ...[...SYSTEM_FILES, ...(sandbox.profile === 'network' ? NETWORK_FILES : [])].flatMap((file) => ['--ro-bind-try', file, file]),
    ...['--proc', '/proc', '--dev', '/dev', '--size', String(SHARED_MEMORY_BYTES), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...['--size', String(TEMPORARY_BYTES), '--tmpfs', '/tmp', '--dir', '/var', '--symlink', '/tmp', '/var/tmp'],
    ...places.flatMap(({ path, writable }) => [writable ? '--bind' : '--ro-bind', path, path]),
    ...hidden.filter(seen).flatMap(cover),
    ...['--remount-ro', '/', '--chdir', cwd],
  ];
}

interface Place {
  readonly path: string;
  readonly writable: boolean;
}

/** Outer folders first, so that what lies in them can differ. */
function placesOf({ read, write }: Sandbox, files: readonly string[]): readonly Place[] {
  const places = new Map<string, boolean>();
  for (const path of [...files, ...read]) if (!isSystem(path)) places.set(path, false);
  for (const path of write) places.set(path, true);
  return [...places].map(([path, writable]) => ({ path, writable })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

function isSystem(path: string): boolean {
  return SYSTEM_FOLDERS.some((folder) => contains(folder, path) && isFolder(folder));
}

function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function systemFolder(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return [];
  return found.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
}

function cover(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return [];
  return found.isDirectory() ? ['--perms', '0500', '--tmpfs', path, '--remount-ro', path] : ['--ro-bind', '/dev/null', path];
}
