import { RELOADABLE } from './live-settings.js';
import { settingEntries } from './settings.js';

const BEGIN =
  '# Every setting with its default. Copy to .env (read in development) or set in the environment; environment wins.\n# Secrets may come from a file: NAME_FILE=/path instead of NAME. Generated from src/config/settings.schema.ts.\n';

/** Text of `.env.example`. */
export function envExample(): string {
  const blocks = settingEntries().map(
    ([name, { about, default: fallback }]) => `# ${about}.\n${fallback === null ? `#${name}=` : `${name}=${fallback}`}`,
  );
  return `${BEGIN}\n${blocks.join('\n\n')}\n`;
}

/** The table in `docs/configuration.md`. */
export function settingsTable(): string {
  const rows = settingEntries().map(
    ([name, { about, default: fallback, secret }]) =>
      `| \`${name}\` | ${fallback === null ? 'none' : `\`${fallback}\``} | ${RELOADABLE.includes(name) ? 'reload' : 'restart'} | ${about}${secret ? `. Secret: may be read from the file that \`${name}_FILE\` names` : ''} |`,
  );
  return ['| setting | default | changes by | what it does |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
