import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

/** The ladder: a room imports only rooms on lower floors. A room that is not listed here does not exist. */
const FLOORS: Readonly<Record<string, number>> = {
  domain: 0,
  addresses: 0,
  config: 1,
  resilience: 1,
  redaction: 1,
  http: 1,
  outgoing: 1,
  tripwire: 1,
  knowledge: 1,
  obs: 1,
  llm: 2,
  chroma: 2,
  logging: 2,
  metrics: 2,
  tracing: 2,
  'error-tracking': 2,
  auth: 3,
  secrets: 3,
  audit: 4,
  events: 4,
  commands: 4,
  executors: 4,
  runs: 5,
  agents: 6,
  openapi: 6,
  health: 6,
  dashboard: 6,
  reload: 6,
  cli: 7,
};
/** Beside the ladder: they see the floors up to 2, and are seen by the wiring alone. */
const BESIDE = ['storage', 'launcher'];
const BESIDE_SEES = 2;
const FORBIDDEN_NAMES = ['utils', 'util', 'common', 'helpers', 'helper', 'shared', 'misc', 'lib'];
const MAX_LINES = 300;
/** Libraries that make calls. */
const CALLING = new Set(['undici', 'https', 'node:https', 'http2', 'node:http2', 'ws', 'axios', 'got', 'node-fetch']);
/** Files that call another host by themselves, and why that is right. */
const OWN_CALLS = {
  'src/cli/host-checks.ts': 'asks the port of this very gateway whether it serves; started by a person at the host',
  'src/cli/remote.ts': 'the client of a gateway that a person names, wherever it is; no server runs in that process',
  'src/error-tracking/sentry-transport.ts':
    'posts to SENTRY_DSN, which only the operator sets; the SDK hands over the address it has read from there',
  'src/tracing/otlp-sender.ts':
    'posts to OTEL_EXPORTER_OTLP_ENDPOINT, which only the operator sets, over connections that stay; follows no redirect',
};

interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const root = process.cwd();
const files = sourceFiles(join(root, 'src'));
const product = files.filter(({ path }) => !path.endsWith('.spec.ts'));

describe('the house', () => {
  it('has only rooms that stand on a floor', () => {
    const rooms = new Set(files.map(({ room }) => room).filter(Boolean));
    expect([...rooms].filter((room) => !(room in FLOORS) && !BESIDE.includes(room))).toEqual([]);
  });

  it('imports downwards only', () => {
    expect(
      product.flatMap((file) =>
        relativeImports(file)
          .filter((target) => !mayImport(file, target))
          .map((target) => `${file.path} → ${target}`),
      ),
    ).toEqual([]);
  });

  it('has no ring of imports', () => {
    const graph = new Map(product.map((file) => [file.path, relativeImports(file)]));
    expect(findRing(graph)).toEqual([]);
  });

  it('keeps the words free of frameworks and input/output', () => {
    const outside = product
      .filter(({ room }) => room === 'domain')
      .flatMap((file) => file.imports.filter((name) => !name.startsWith('./')).map((name) => `${file.path} → ${name}`));
    expect(outside).toEqual([]);
  });

  it('reads the environment in one file', () => {
    expect(product.filter(({ text }) => /\bprocess\s*\.\s*env\b|\bprocess\[['"]env/.test(text)).map(({ path }) => path)).toEqual([
      'src/config/settings.ts',
    ]);
  });

  it('starts processes in the launcher only', () => {
    const users = product.filter(({ imports }) => imports.some((name) => /^(node:)?child_process$/.test(name))).map(({ path }) => path);
    expect(users.filter((path) => !path.startsWith('src/launcher/'))).toEqual([]);
  });

  it('calls other hosts through one room', () => {
    const calls = product.filter(
      ({ text, imports }) =>
        imports.some((name) => CALLING.has(name)) || /\bfetch\s*\(|\bhttps?\.(get|request)\s*\(|\bnew (WebSocket|EventSource)\b/.test(text),
    );
    expect(calls.map(({ path }) => path).filter((path) => !path.startsWith('src/outgoing/'))).toEqual(Object.keys(OWN_CALLS));
  });

  it('holds every body and query against a schema', () => {
    const unchecked = product.filter(({ text }) => /@(?:Body|Query)\((?!checked\()|@Param\([^)]*schema:/.test(text));
    expect(unchecked.map(({ path }) => path)).toEqual([]);
  });

  it('has no barrels and no rooms for leftovers', () => {
    expect(files.filter(({ path }) => /(^|\/)index\.ts$/.test(path)).map(({ path }) => path)).toEqual([]);
    expect(
      files
        .filter(({ path }) => path.split('/').some((part) => FORBIDDEN_NAMES.includes(part.replace(/\.ts$/, ''))))
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it('keeps files to a size that a reader can hold in mind', () => {
    expect(product.filter(({ text }) => text.split('\n').length > MAX_LINES).map(({ path }) => path)).toEqual([]);
    expect(readFileSync(join(root, 'src/main.ts'), 'utf8').split('\n').length).toBeLessThanOrEqual(60);
  });

  it('keeps storage and launcher out of everybody’s sight but the wiring’s', () => {
    const seen = product.filter(
      (file) => file.room !== '' && relativeImports(file).some((target) => roomOf(target) !== file.room && BESIDE.includes(roomOf(target))),
    );
    expect(seen.map(({ path }) => path)).toEqual([]);
  });
});

/** Files at the top of `src` are the wiring and may import every room. */
function mayImport(file: SourceFile, target: string): boolean {
  const room = roomOf(target);
  if (file.room === '' || file.room === room) return true;
  if (room === '') return file.room === 'cli';
  if (BESIDE.includes(file.room)) return (FLOORS[room] ?? Infinity) <= BESIDE_SEES;
  if (BESIDE.includes(room)) return false;
  return (FLOORS[room] ?? Infinity) < (FLOORS[file.room] ?? -1);
}

function relativeImports(file: SourceFile): string[] {
  return file.imports
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(root, resolve(root, dirname(file.path), name.replace(/\.js$/, '.ts'))));
}

function roomOf(path: string): string {
  const parts = path.split('/');
  return parts.length > 2 ? (parts[1] ?? '') : '';
}

function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = relative(root, join(folder, name));
      const text = readFileSync(join(root, path), 'utf8');
      // Type imports, re-exports and dynamic imports count like any other.
      return { path, room: roomOf(path), text, imports: ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName) };
    });
}

/** The first ring found, as the files on it; empty when there is none. */
function findRing(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of graph.get(path) ?? []) {
      const ring = visit(next, [...trail, path]);
      if (ring.length > 0) return ring;
    }
    done.add(path);
    return [];
  };
  for (const path of graph.keys()) {
    const ring = visit(path, []);
    if (ring.length > 0) return ring;
  }
  return [];
}
