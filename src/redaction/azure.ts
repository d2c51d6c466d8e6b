import { localPartStart } from './email.js';
import { Reader, charSet, type Verdict, type Window } from './reader.js';
import { BASE64, BASE64_PADDED, classesOf } from './shapes.js';

const SECRET_BODY = charSet('A-Za-z0-9_.~-');
const EQUALS = charSet('=');

/** `AccountKey=…` of a storage account, `SharedAccessKey=…` of a bus or hub: base64 of 64 or 32 bytes. */
export function recogniseAzureConnectionKey(window: Window, at: number): Verdict {
  const name = window.text.charAt(at) === 'A' ? 'AccountKey=' : 'SharedAccessKey=';
  const reader = new Reader(window, at).literal(name);
  const start = reader.at;
  return reader.run(BASE64, 42, 90).run(EQUALS, 0, 2).notBefore(BASE64_PADDED).matchFrom(start);
}

/** How much of a client secret stands before its `Q~`. */
const BEFORE_MARK = 4;

/** The secret of an application (Entra ID), 37 to 40 characters, recognised from the `Q~` after its first four. */
export function recogniseAzureClientSecret(window: Window, at: number): Verdict {
  if (!/[A-Za-z0-9_.~]{3}\d$/.test(window.before(at, BEFORE_MARK))) return 'none';
  const start = Math.max(at - BEFORE_MARK, localPartStart(window, at));
  const reader = new Reader(window, at).literal('Q~').run(SECRET_BODY, 31, 34).notBefore(SECRET_BODY);
  return reader.check(() => classesOf(reader.since(at)) >= 2).matchFrom(start);
}
