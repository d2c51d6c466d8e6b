// A copy of the repository in a temporary folder, as the tests need it: compiled, and with one file changed at a time.
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = process.cwd();
/** Not copied: far too much, or of no use to a test. */
const LEFT_OUT = new Set(['.git', 'coverage', 'data', 'dist', 'node_modules']);
const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile('tsconfig.json', ts.sys.readFile).config, ts.sys, ROOT);

export class PlantedTree {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-planted-'));
  /** What was changed, by file, as it was. */
  #sound = new Map();

  constructor() {
    // Some tests start the gateway as another user.
    chmodSync(this.folder, 0o755);
    for (const name of readdirSync(ROOT)) {
      if (!LEFT_OUT.has(name)) cpSync(join(ROOT, name), join(this.folder, name), { recursive: true, verbatimSymlinks: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'), 'dir');
  }

  read(file) {
    return readFileSync(join(this.folder, file), 'utf8');
  }

  /** Puts `text` in the place of the file, compiled too where it is TypeScript. */
  change(file, text) {
    if (file.endsWith('.ts')) this.#write(compiledName(file), this.#compile(file, text));
    this.#write(file, text);
  }

  /** Undoes every change. */
  restore() {
    for (const [file, text] of this.#sound) writeFileSync(join(this.folder, file), text);
    this.#sound.clear();
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #write(file, text) {
    this.#sound.set(file, this.read(file));
    writeFileSync(join(this.folder, file), text);
  }

  /** One file by itself takes a moment; that is trusted where it gives for the sound text what the whole build gave. */
  #compile(file, text) {
    const isEnough = withoutMap(transpile(file, this.read(file))) === withoutMap(this.read(compiledName(file)));
    return isEnough ? transpile(file, text) : emit(join(this.folder, file), text);
  }
}

export function compiledName(file) {
  return `.test-build/${file.replace(/\.ts$/, '.js')}`;
}

function transpile(fileName, text) {
  const alone = { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
  return ts.transpileModule(text, { fileName, compilerOptions: alone }).outputText;
}

/** With the types of everything it imports: what decorators record of parameters depends on them. */
function emit(path, text) {
  const host = ts.createCompilerHost(options);
  const read = host.readFile.bind(host);
  host.readFile = (name) => (name === path ? text : read(name));
  const program = ts.createProgram([path], options, host);
  let output = '';
  program.emit(program.getSourceFile(path), (name, written) => void (name.endsWith('.js') && (output = written)));
  return output;
}

function withoutMap(text) {
  return text.replace(/\/\/# sourceMappingURL=.*$/m, '').trim();
}
