import type { Principal } from '../domain/principal.js';

/** A person at the command line of the host: whoever can read the data folder needs no key. */
export const LOCAL_PRINCIPAL: Principal = { id: 'local', name: 'local', role: 'admin', scopes: ['*'], address: 'local' };
