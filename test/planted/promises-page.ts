import { PLANTED_BUGS } from './planted-bugs.js';
import { PROMISES, type Promised } from './promises.js';

/** The table of docs/promises.md. */
export function promisesTable(): string {
  const lines = Object.entries(PROMISES).map(([id, promised]) => `| ${id} | ${promised.says} | ${triedBy(promised)} | ${brokenBy(id)} |`);
  return ['| id | promise | tried by | seen to fail when |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

function triedBy({ tests, torture = [], waitsFor }: Promised): string {
  if (waitsFor !== undefined) return `nobody yet: waits for ${waitsFor}`;
  return [...tests, ...torture].map((file) => `[${file.slice(file.lastIndexOf('/') + 1).replace(/\.ts$/, '')}](../${file})`).join(', ');
}

function brokenBy(id: string): string {
  return PLANTED_BUGS.filter(({ rows }) => rows.includes(id))
    .map(({ bug }) => bug)
    .join('; ');
}
