import { z } from 'zod';
import { commonKeys, expected, type ParamType } from './param-type.js';

/** A letter first: objects would sort names of digits before others, and the first one has a meaning. */
const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

const folderDeclaration = z.strictObject({
  type: z.literal('folder'),
  ...commonKeys(z.string()),
  folders: z
    .union([z.string().min(1).max(65_536), z.record(z.string().regex(NAME), z.string().min(1).max(4_096))], {
      error: 'expected folders by name (a letter, then letters, digits, . _ -), as a mapping or as "name=folder,name=folder"',
    })
    .meta({
      description:
        'Folders by name, as a mapping or as "name=folder,name=folder"; `${NAME}` and `${NAME:-default}` are replaced. The first is the default',
    }),
});
type FolderDeclaration = z.output<typeof folderDeclaration>;

/** Real folders by name. */
export type NamedFolders = Readonly<Record<string, string>>;

/** `web=/srv/web,api=/srv/api` → its folders; undefined for any other text, and where a name is given twice. */
export function parseFolders(text: string): NamedFolders | undefined {
  const pairs = text.split(',').map((item) => /^\s*([^=\s]+)\s*=\s*(\S(?:.*\S)?)\s*$/s.exec(item));
  const found = pairs.flatMap((pair) =>
    pair?.[1] !== undefined && pair[2] !== undefined && NAME.test(pair[1]) ? [[pair[1], pair[2]] as const] : [],
  );
  const folders = Object.fromEntries(found);
  return Object.keys(folders).length === pairs.length ? folders : undefined;
}

/** Undefined before it is known which folders there are: until then they may be a variable. */
export function firstFolder({ folders }: FolderDeclaration): string | undefined {
  return namesOf(folders)[0];
}

function namesOf(folders: FolderDeclaration['folders']): readonly string[] {
  return typeof folders === 'string' ? [] : Object.keys(folders);
}

/** One of the folders that the operator has named. A caller gives a name and no path, so there is nothing to break out of. */
export const folderParam: ParamType<FolderDeclaration> = {
  declaration: folderDeclaration,
  mayStandInArgv: true,
  mistakes: () => [],
  value: ({ folders }) => z.enum(namesOf(folders), expected(`one of ${namesOf(folders).join(', ')}`)),
  render: (value, { folders }) => (typeof folders === 'string' ? '' : (folders[String(value)] ?? '')),
  fromText: (text, { folders }) => namesOf(folders).find((name) => name.toLowerCase() === text.toLowerCase()),
  example: firstFolder,
};
