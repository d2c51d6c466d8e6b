import { isCollection, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type Node, type Pair } from 'yaml';
import type { Finding } from './catalogue-mistakes.js';

/** Where something stands in a file, from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A catalogue file read as plain data, and the way back from data to lines. */
export interface CatalogueFile {
  readonly content: unknown;
  /** What makes the text unfit as a catalogue, whatever it declares. Then `content` is undefined. */
  readonly problems: readonly (Position & Finding)[];
  /** Position of the deepest part of `path` that is in the file. */
  locate(path: readonly (string | number)[]): Position;
}

/** Keys that would reach the prototype of an object they are copied to. */
const PROTOTYPE_KEYS = ['__proto__', 'constructor', 'prototype'];

/**
 * Reads YAML 1.2 with the features that make a file mean less or more than it says taken out: no anchors and aliases, no tags,
 * no merge keys, no directives, no second document, no duplicate keys, no keys that are not plain text.
 */
export function readCatalogueFile(text: string): CatalogueFile {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const start = { line: 1, column: 1 };
    return { content: undefined, problems: [{ ...start, path: [], message: 'nests too deeply' }], locate: () => start };
  }
}

function read(text: string): CatalogueFile {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    strict: true,
    uniqueKeys: true,
    version: '1.2',
    merge: false,
  });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems = [...syntaxProblems(document), ...forbiddenFeatures(document)].map(({ offset, message }) => ({
    ...at(offset),
    path: [],
    message,
  }));
  return {
    content: problems.length > 0 ? undefined : document.toJS({ maxAliasCount: 0 }),
    problems,
    locate: (path) => at(offsetOf(document, path)),
  };
}

interface Problem {
  readonly offset: number;
  readonly message: string;
}

function syntaxProblems(document: Document.Parsed): readonly Problem[] {
  const errors = document.errors.map(({ pos, message }) => ({ offset: pos[0], message: `not readable as YAML: ${message}` }));
  return document.directives.yaml.explicit ? [{ offset: 0, message: 'YAML directives are not allowed' }, ...errors] : errors;
}

function forbiddenFeatures(document: Document.Parsed): readonly Problem[] {
  const problems: Problem[] = [];
  const refuse = (node: Node, message: string) => problems.push({ offset: node.range?.[0] ?? 0, message });
  visit(document, {
    Alias: (_, node) => void refuse(node, 'aliases are not allowed'),
    Value: (_, node) => {
      if (node.anchor !== undefined) refuse(node, 'anchors are not allowed');
      if (node.tag !== undefined) refuse(node, 'tags are not allowed');
    },
    Pair: (_, pair) => {
      const refusal = keyRefusal(pair.key);
      if (refusal !== undefined) refuse(pair.key as Node, refusal);
    },
  });
  return problems;
}

function keyRefusal(key: unknown): string | undefined {
  if (!isScalar(key) || typeof key.value !== 'string') return 'expected a plain text key';
  if (key.value === '<<') return 'merge keys are not allowed';
  return PROTOTYPE_KEYS.includes(key.value) ? 'this key is not allowed' : undefined;
}

function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const step of path) {
    if (!isCollection(node)) return offset;
    const next = childOf(node, step);
    if (next === undefined) return offset;
    const place = isPair(next) ? next.key : next;
    offset = (place as Node | null)?.range?.[0] ?? offset;
    node = isPair(next) ? next.value : next;
  }
  return offset;
}

function childOf(node: Node, step: string | number): Pair | Node | undefined {
  if (isMap(node)) return node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return isSeq(node) ? (node.items[Number(step)] as Node | undefined) : undefined;
}
