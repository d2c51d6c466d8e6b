import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface OrdinaryText {
  readonly name: string;
  readonly text: string;
}

const FOLDERS = ['src', 'docs', 'commands', 'scripts'];
const FILES = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'Dockerfile',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
];
/** Files that are about things to be found, and name some. */
const ABOUT_IT = /\.spec\.ts$|src\/redaction\/|docs\/redaction\.md$/;

/** What this repository is made of, its lock file included, and some of the gateway's own log. Nothing in it is to be masked. */
export function ordinaryTexts(folder: string): readonly OrdinaryText[] {
  const names = [
    ...FILES,
    ...FOLDERS.flatMap((name) =>
      readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)),
    ),
  ].filter((name) => !ABOUT_IT.test(name));
  return [...names.map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') })), { name: 'log', text: log() }];
}

function log(): string {
  const line = (index: number): string => {
    const id = ((index * 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
    const time = new Date(Date.UTC(2026, 10, 21) + index * 7_919).toISOString();
    const fields = { request_id: `req_${id}${id}`, trace_id: `${id}${id}${id}${id}`, method: 'POST', route: '/run', status: 200 };
    return JSON.stringify({
      level: 'info',
      time,
      ...fields,
      latency_ms: (index % 977) / 7,
      key_id: `${id}Ab3D`,
      address: '127.0.0.1',
      message: 'request',
    });
  };
  return Array.from({ length: 5_000 }, (_, index) => line(index)).join('\n');
}
