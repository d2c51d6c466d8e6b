import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import { titleOf } from './passages.js';

/** A file that can be indexed, as it was when it was seen. */
export interface FoundDocument {
  /** Unique among all folders; what is cited. Relative to where the folders of the catalogue are, with `/`. */
  readonly path: string;
  readonly file: string;
  readonly mtimeMs: number;
  readonly bytes: number;
}

/** What a document says. */
export interface DocumentText {
  readonly title: string;
  readonly text: string;
  readonly markdown: boolean;
}

export interface DocumentFolder {
  /** Absolute. */
  readonly folder: string;
  /** How its documents are cited: what the catalogue called it. */
  readonly name: string;
}

const MARKDOWN = new Set(['.md', '.markdown']);
const KINDS = new Set([...MARKDOWN, '.txt', '.text', '.pdf']);
/** A larger file is no document that anybody reads. */
const MOST_BYTES = 16 * 1024 ** 2;
const DEEPEST = 32;
/** Of pdf.js, which else prints what it thinks of a file. */
const SILENT = 0;

/**
 * All documents of the folders, by path. Links are not followed, so that nothing outside is read; hidden files and folders, and
 * `node_modules`, are left out.
 * @throws NodeJS.ErrnoException when a folder itself cannot be read
 */
export async function findDocuments(folders: readonly DocumentFolder[], signal: AbortSignal): Promise<readonly FoundDocument[]> {
  const found = new Map<string, FoundDocument>();
  for (const { folder, name } of folders)
    for await (const document of walk(folder, 0, signal)) {
      const path = join(name, relative(folder, document.file)).replaceAll('\\', '/');
      found.set(path, { path, ...document });
    }
  return [...found.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

type Walked = Omit<FoundDocument, 'path'>;

async function* walk(folder: string, depth: number, signal: AbortSignal): AsyncGenerator<Walked> {
  signal.throwIfAborted();
  const entries = depth === 0 ? await readdir(folder, { withFileTypes: true }) : await listing(folder);
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const file = join(folder, entry.name);
    if (entry.isDirectory() && depth < DEEPEST) yield* walk(file, depth + 1, signal);
    else if (entry.isFile() && KINDS.has(extname(entry.name).toLowerCase())) yield* seen(file);
  }
}

/** What went away, or may not be looked into, has no documents. */
async function listing(folder: string): Promise<readonly Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch(() => []);
}

async function* seen(file: string): AsyncGenerator<Walked> {
  const state = await stat(file).catch(() => null);
  if (state && state.size <= MOST_BYTES) yield { file, mtimeMs: Math.trunc(state.mtimeMs), bytes: state.size };
}

/** @throws Error when the file cannot be read, or is no PDF although its name says so */
export async function readDocument({ file, path }: FoundDocument): Promise<DocumentText> {
  const kind = extname(file).toLowerCase();
  const data = await readFile(file);
  const markdown = MARKDOWN.has(kind);
  const text = kind === '.pdf' ? await textOfPdf(data) : data.toString('utf8').replaceAll('\0', '');
  return { title: (markdown ? titleOf(text) : undefined) ?? path, text, markdown };
}

/** Loaded when the first PDF comes: it is large, and few folders have any. */
async function textOfPdf(data: Buffer): Promise<string> {
  const { extractText, getDocumentProxy } = await import('unpdf');
  const document = await getDocumentProxy(new Uint8Array(data), { verbosity: SILENT });
  const { text } = await extractText(document, { mergePages: false });
  return text.join('\n\n');
}
