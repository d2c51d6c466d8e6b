/** Why nobody can listen there, by the code of the system. */
export const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there already',
  EADDRNOTAVAIL: 'this host has no such address',
  EACCES: 'that port takes rights that this process does not have',
  ENOTFOUND: 'the host name is not known',
};
