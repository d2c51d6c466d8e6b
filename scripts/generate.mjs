// Writes the files that are made from the code, or with --check says which of them are stale. Needs a build (`npm run build`).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import prettier from 'prettier';
import { pino } from 'pino';
import { catalogueJsonSchema } from '../dist/commands/catalogue-json-schema.js';
import { envExample, settingsTable } from '../dist/config/settings-docs.js';
import { loadSettings } from '../dist/config/settings.js';
import { OpenApiDocument } from '../dist/openapi/openapi.controller.js';
import { permissionsPage } from '../dist/openapi/permissions-page.js';
import { createServer } from '../dist/server.js';
import { dashboards } from './dashboards.mjs';

const files = {
  '.env.example': envExample(),
  'docs/configuration.md': await markdown(between('docs/configuration.md', 'settings', settingsTable())),
  'docs/catalogue.schema.json': json(catalogueJsonSchema()),
  ...Object.fromEntries(Object.entries(dashboards()).map(([file, board]) => [`deploy/monitoring/grafana/dashboards/${file}`, json(board)])),
  ...(await fromServer()),
};

const stale = Object.entries(files).filter(([file, text]) => read(file) !== text);
if (process.argv.includes('--check')) {
  for (const [file] of stale) console.error(`${file} is stale: run npm run generate`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const [file, text] of stale) writeFileSync(file, text);
  console.log(stale.length === 0 ? 'Everything is fresh.' : `Written: ${stale.map(([file]) => file).join(', ')}`);
}

/** The routes and their spec come from the server itself, which is built here but never started. */
async function fromServer() {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-generate-'));
  const loaded = loadSettings({ ENVIRONMENT: 'test', DATA_DIR: join(folder, 'data') }, folder);
  const { app, routes } = await createServer({ ...loaded, logger: pino({ level: 'silent' }) });
  try {
    return {
      'docs/openapi.json': json(app.get(OpenApiDocument).routes),
      'docs/permissions.md': await markdown(permissionsPage(routes.routes())),
    };
  } finally {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function between(file, name, text) {
  const [before, rest] = read(file).split(`<!-- generated:${name} -->`);
  const after = rest.slice(rest.indexOf('<!-- /generated -->'));
  return `${before}<!-- generated:${name} -->\n\n${text}\n\n${after}`;
}

function markdown(text) {
  return prettier.format(text, { parser: 'markdown', printWidth: 140 });
}

function json(value) {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
