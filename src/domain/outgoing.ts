/**
 * Why a call to a service came to no answer, with the words for people. No text says where the call went: addresses may hold secrets.
 * What helps: another attempt, with `unresolved`, `unreachable`, `timeout`, `cut_off`; somebody who changes something, with the others.
 */
export const CALL_FAULTS = {
  forbidden: 'the rules for outgoing calls refuse where it leads',
  unresolved: 'the name of the service could not be resolved',
  unreachable: 'no connection to the service could be made',
  untrusted: 'the service could not prove who it is',
  timeout: 'the service took too long',
  cut_off: 'the service broke off before its answer was whole',
  unreadable: 'what the service answered is no HTTP that can be read',
  too_large: 'the answer is larger than it may be',
  redirected: 'the service sent the call on to where it is not followed',
  ended: 'the call was ended from our side',
} as const;
export type CallFault = keyof typeof CALL_FAULTS;

/** Where one use of the gateway's own calls may lead. */
export interface TargetRules {
  readonly schemes: readonly ('http' | 'https')[];
  /** Exact, as `*.example.com`, or `*` for any. */
  readonly hosts: readonly string[];
  /** Ports that may be called beside those that the schemes have of their own. */
  readonly ports: readonly number[];
  /** Addresses and ranges that may be reached although they are not public. */
  readonly privateRanges: readonly string[];
}
