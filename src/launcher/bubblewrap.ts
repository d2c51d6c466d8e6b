import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Sandbox } from '../domain/sandbox.js';
import { DEVICES } from './devices.js';

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
  /** Working folder inside; it is declared, or always there. */
  readonly cwd: string;
  /** Files to be seen besides, such as the program itself. */
  readonly files: readonly string[];
  /** The run's private files: to be seen though they lie in a folder that is covered; null when it has none. */
  readonly privateFolder: string | null;
  /** Links to be made, by their paths. */
  readonly links: ReadonlyMap<string, string>;
  /** Covered wherever they would be seen: the gateway's own data. */
  readonly hidden: readonly string[];
  /** Files and folders that are there and other sandboxes show: nobody who may write around them moves them, or puts a link in their place. */
  readonly pinned: readonly string[];
  /** Folder of device files that take the place of the host's, see {@link OwnDevices}; null where the host's are shown. */
  readonly devices: string | null;
  /** Whether this bubblewrap takes what it shows as descriptors (`--bind-fd`). */
  readonly takesDescriptors: boolean;
}

/** A sandbox as bwrap(1) is told to build it. */
export interface SandboxBuild {
  /** Arguments up to the program. */
  readonly arguments: readonly string[];
  readonly places: readonly OpenPlace[];
}

/**
 * What was declared, or is pinned, and must be at its path when the sandbox is built. A link in its place would show a program, and let
 * it write to, what nobody declared.
 */
export interface OpenPlace {
  /** Real path. */
  readonly path: string;
  /** Which argument becomes the number of its descriptor; null where bubblewrap gets the path. */
  readonly argument: number | null;
}

/**
 * The arguments of bwrap(1), up to the program: namespaces of its own, a system that cannot be written, an empty /tmp, no capabilities,
 * no way to get new ones, dead with its parent. The environment is the caller's business.
 *
 * Of a gateway that is root the program has root's number outside, though none of its rights: all that root owns must be read-only,
 * the kernel's settings (/proc/sys) and the host's device files above all.
 */
export function planSandbox({
  sandbox,
  cwd,
  files,
  privateFolder,
  links,
  hidden,
  pinned,
  devices,
  takesDescriptors,
}: SandboxPlan): SandboxBuild {
  const places = withPins(placesOf(sandbox, files), [...hidden, ...pinned]);
  const seen = (path: string) => [...places.map((place) => place.path), ...SYSTEM_FOLDERS].some((folder) => contains(folder, path));
  const covers = hidden.filter(seen).flatMap(coverOf);
  const before = [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(sandbox.profile === 'network' ? [] : ['--unshare-net']),
    ...['--uid', UNPRIVILEGED_ID, '--gid', UNPRIVILEGED_ID, '--cap-drop', 'ALL', '--die-with-parent'],
    ...SYSTEM_FOLDERS.flatMap(systemFolder),
    ...[...SYSTEM_FILES, ...(sandbox.profile === 'network' ? NETWORK_FILES : [])].flatMap((file) => ['--ro-bind-try', file, file]),
    ...['--proc', '/proc', '--remount-ro', '/proc', '--dev', '/dev'],
    ...(devices === null ? [] : DEVICES.flatMap((name) => ['--dev-bind', join(devices, name), `/dev/${name}`])),
    ...['--size', String(SHARED_MEMORY_BYTES), '--tmpfs', '/dev/shm', '--mqueue', '/dev/mqueue', '--remount-ro', '/dev'],
    ...['--size', String(TEMPORARY_BYTES), '--tmpfs', '/tmp', '--dir', '/var', '--symlink', '../tmp', '/var/tmp'],
  ];
  const shown = places.map((place) => ({ ...place, isOpened: takesDescriptors && !files.includes(place.path) }));
  const after = [
    ...[...links].flatMap(([path, target]) => ['--symlink', target, path]),
    ...covers.flatMap(({ path, isFolder }) => (isFolder ? ['--perms', '0500', '--tmpfs', path] : ['--ro-bind', '/dev/null', path])),
    ...(privateFolder === null ? [] : ['--ro-bind', privateFolder, privateFolder]),
    ...covers.filter(({ isFolder }) => isFolder).flatMap(({ path }) => ['--remount-ro', path]),
    ...['--remount-ro', '/', '--chdir', cwd],
  ];
  return {
    arguments: [...before, ...shown.flatMap(bind), ...after],
    places: shown.flatMap(({ path, isOpened }, index) =>
      files.includes(path) ? [] : [{ path, argument: isOpened ? before.length + index * BIND_ARGUMENTS + 1 : null }],
    ),
  };
}

const BIND_ARGUMENTS = 3;

function bind({ path, writable, isOpened }: Place & { readonly isOpened: boolean }): readonly string[] {
  const option = writable ? '--bind' : '--ro-bind';
  return isOpened ? [`${option}-fd`, '', path] : [option, path, path];
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
  return inOrder([...places].map(([path, writable]) => ({ path, writable })));
}

function inOrder(places: readonly Place[]): readonly Place[] {
  return places.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * What lies in a folder that can be written, and all folders on the way to it, becomes a place of its own there: a place cannot be
 * renamed or removed from inside.
 */
function withPins(places: readonly Place[], paths: readonly string[]): readonly Place[] {
  const known = new Set(places.map(({ path }) => path));
  const pins = new Set<string>();
  const isWritableAround = (path: string) => places.findLast((place) => place.path !== path && contains(place.path, path))?.writable;
  for (const path of [...known, ...paths])
    for (let pin = path; isWritableAround(pin) && !pins.has(pin); pin = dirname(pin)) if (!known.has(pin)) pins.add(pin);
  return inOrder([...places, ...[...pins].map((path) => ({ path, writable: true }))]);
}

function isSystem(path: string): boolean {
  return SYSTEM_FOLDERS.some((folder) => contains(folder, path) && lstatSync(folder, { throwIfNoEntry: false }));
}

function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

function systemFolder(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return [];
  return found.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
}

/** What takes the place of a path that is hidden: nothing where there is nothing. */
function coverOf(path: string): { readonly path: string; readonly isFolder: boolean }[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found ? [{ path, isFolder: found.isDirectory() }] : [];
}
