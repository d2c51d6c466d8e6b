import type { RegisteredRoute } from '../http/routing-table.js';
import { describeAccess } from './access-words.js';

const HEAD = `# Permissions

Every route with the lowest role that may use it. Roles: \`readonly\` looks, \`operator\` runs, \`admin\` manages; each may do what
the one before may. A key's scopes narrow further which commands exist for it; callers see their own runs, admins all.

Generated from the routes themselves; a test holds the two against each other in both directions.

| route | access |
| --- | --- |
`;

/** Text of \`docs/permissions.md\`. */
export function permissionsPage(routes: readonly RegisteredRoute[]): string {
  return `${HEAD}${permissionRows(routes)
    .map(({ route, access }) => `| \`${route}\` | ${access} |`)
    .join('\n')}\n`;
}

/** The routes that people call, in order of their addresses. HEAD goes with GET. */
export function permissionRows(routes: readonly RegisteredRoute[]): { route: string; access: string }[] {
  return routes
    .filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS')
    .map(({ method, url, mark }) => ({ route: `${method} ${url}`, access: mark ? describeAccess(mark.access) : 'nobody' }))
    .sort((a, b) => (key(a.route) < key(b.route) ? -1 : 1));
}

function key(route: string): string {
  const [method, url] = route.split(' ');
  return `${url} ${method}`;
}
