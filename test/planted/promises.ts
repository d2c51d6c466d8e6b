/** What we promise, and which tests try it. Ids as in the table of guarantees (`P1`) and in the list of what broke others (`T40`). */
export interface Promised {
  readonly says: string;
  /** Test files in which somebody tries to break it. */
  readonly tests: readonly string[];
  /** Those of `npm run test:torture`, which take longer. */
  readonly torture?: readonly string[];
  /** Why nobody tries it yet. */
  readonly waitsFor?: string;
}

/** A promise is tried by its tests, and each of them has been seen to fail: see `planted-bugs.ts`. */
export const PROMISES: Readonly<Record<string, Promised>> = {
  P1: {
    says: 'Nothing that a run has started outlives it, however it forks, renames itself, hides or re-parents.',
    tests: ['test/escape-zoo.e2e-spec.ts', 'test/kept-sandbox.e2e-spec.ts', 'test/limits.e2e-spec.ts'],
  },
  P2: {
    says: 'Nothing outlives the gateway either, also when it is killed.',
    tests: ['test/escape-zoo.e2e-spec.ts', 'src/launcher/launcher-life.spec.ts', 'test/crash.e2e-spec.ts'],
    torture: ['test/torture/random-kills.torture.ts'],
  },
  P3: {
    says: 'Timeouts go by monotonic time: TERM, a grace, KILL; the result says which.',
    tests: ['test/clock.e2e-spec.ts', 'test/limits.e2e-spec.ts'],
  },
  P4: {
    says: 'Floods of output make neither gateway nor hosts grow; what is cut is cut exactly, and told.',
    tests: ['test/floods.e2e-spec.ts', 'test/limits.e2e-spec.ts', 'src/launcher/outbox.spec.ts', 'src/launcher/posix-spawn.spec.ts'],
    torture: ['test/torture/flood.torture.ts'],
  },
  P5: {
    says: 'A program sees the environment, descriptors and files that it was given, and nothing of the gateway.',
    tests: [
      'test/sandbox.e2e-spec.ts',
      'test/workspace.e2e-spec.ts',
      'src/launcher/launcher-life.spec.ts',
      'src/launcher/process-launcher.spec.ts',
      'src/commands/command-compiler.spec.ts',
    ],
  },
  P6: {
    says: 'In a sandbox it is nobody: no capabilities, no way to new ones, no terminal to type into.',
    tests: ['test/sandbox.e2e-spec.ts', 'src/launcher/syscall-filter.spec.ts'],
  },
  P7: {
    says: 'It reads and writes where that was declared; links and renames lead nowhere else.',
    tests: ['test/sandbox.e2e-spec.ts', 'test/workspace.e2e-spec.ts', 'src/commands/path-jail.spec.ts'],
  },
  P8: {
    says: 'It has no network, and no sockets of the host, unless that was declared.',
    tests: ['test/sandbox.e2e-spec.ts', 'src/launcher/syscall-filter.spec.ts'],
  },
  P9: {
    says: 'What takes too much of memory, processes, files or time ends by itself alone.',
    tests: ['test/sandbox-limits.e2e-spec.ts', 'src/launcher/limits.spec.ts', 'src/launcher/control-groups.spec.ts'],
    torture: ['test/torture/drain.torture.ts'],
  },
  P10: {
    says: 'Where sandboxes are required and cannot be had, or do not hold, the gateway does not serve.',
    tests: ['test/sandbox-missing.e2e-spec.ts'],
  },
  P12: {
    says: 'Arguments that no process can be given are refused before anything starts.',
    tests: ['test/argument-sizes.e2e-spec.ts', 'src/commands/param-types.spec.ts'],
  },
  P13: {
    says: 'No value becomes an option, a second argument or code.',
    tests: [
      'test/parity.e2e-spec.ts',
      'test/refusals.e2e-spec.ts',
      'src/commands/param-types.spec.ts',
      'src/commands/risk-rule.spec.ts',
      'src/commands/shipped-catalogue.spec.ts',
    ],
  },
  P14: {
    says: 'When processes, descriptors or the program are missing, runs fail plainly and keep no slot.',
    tests: [
      'test/no-processes.e2e-spec.ts',
      'src/launcher/launcher-life.spec.ts',
      'src/launcher/process-launcher.spec.ts',
      'src/launcher/posix-spawn.spec.ts',
      'src/launcher/host-run.spec.ts',
      'src/runs/admission.spec.ts',
    ],
    torture: ['test/torture/fault-sweep.torture.ts'],
  },
  D1: {
    says: 'What was acknowledged is on the disk before the first byte of the answer.',
    tests: ['test/power-cut.e2e-spec.ts', 'test/refusals.e2e-spec.ts'],
    torture: ['test/torture/power-cut.torture.ts'],
  },
  D2: {
    says: 'Nothing starts before its intent is on the disk, and nothing while that cannot be written.',
    tests: [
      'test/power-cut.e2e-spec.ts',
      'test/refusals.e2e-spec.ts',
      'test/failing-store.e2e-spec.ts',
      'test/stalled-store.e2e-spec.ts',
      'test/policy.e2e-spec.ts',
    ],
  },
  D3: {
    says: 'A kill at any moment loses no acknowledged run or entry and doubles none.',
    tests: [
      'test/crash.e2e-spec.ts',
      'test/fault-sweep.e2e-spec.ts',
      'src/storage/sqlite/sqlite-db.crash.spec.ts',
      'src/storage/sqlite/sqlite-db.spec.ts',
    ],
    torture: ['test/torture/random-kills.torture.ts', 'test/torture/fault-sweep.torture.ts'],
  },
  D4: {
    says: 'Runs that a crash left open are closed at the next start, each once, and never run again; those that waited for approval are not started.',
    tests: ['test/crash.e2e-spec.ts', 'test/idempotency-restart.e2e-spec.ts', 'src/storage/sqlite/sqlite-run-store.spec.ts'],
    torture: ['test/torture/random-kills.torture.ts'],
  },
  D5: {
    says: 'An idempotency key stands for one run of one request of one caller, through every door and over restarts.',
    tests: ['test/idempotency.e2e-spec.ts', 'test/idempotency-restart.e2e-spec.ts', 'test/policy.e2e-spec.ts'],
  },
  D6: {
    says: 'A full disk refuses at once, loses nothing, and is over by itself when there is room.',
    tests: ['test/failing-store.e2e-spec.ts'],
    torture: ['test/torture/fault-sweep.torture.ts'],
  },
  D7: {
    says: 'After a sync that failed nothing is written until a restart, and that is said.',
    tests: ['test/failing-store.e2e-spec.ts', 'src/storage/sqlite/commit-queue.spec.ts'],
    torture: ['test/torture/fault-sweep.torture.ts'],
  },
  D8: {
    says: 'A database that is deleted, moved, replaced, cut or protected is noticed without anybody asking, and takes no more writes.',
    tests: ['test/failing-store.e2e-spec.ts'],
  },
  D9: {
    says: 'Each request with an effect and each refusal has exactly one trail in the audit log.',
    tests: ['test/audit-trail.e2e-spec.ts'],
  },
  D10: {
    says: 'Any change, deletion, swap or double of an entry is found, and where.',
    tests: ['test/audit-tampering.spec.ts', 'src/audit/audit-verifier.spec.ts'],
    torture: ['test/torture/audit.torture.ts'],
  },
  D11: {
    says: 'A log that was cut, put back or rewritten contradicts its signed checkpoints; without one its tail is not called proven.',
    tests: ['test/audit-tampering.spec.ts', 'test/audit-checkpoints.e2e-spec.ts'],
  },
  D12: {
    says: 'The verifier works offline and agrees with a second one that was written from the description alone.',
    tests: ['test/audit-tampering.spec.ts', 'src/domain/audit.spec.ts'],
    torture: ['test/torture/audit.torture.ts'],
  },
  D13: {
    says: 'The chain is one line without gaps, however many write at once and from however many processes.',
    tests: ['src/storage/sqlite/sqlite-db.crash.spec.ts', 'src/storage/sqlite/sqlite-db.spec.ts'],
  },
  A1: {
    says: 'A readonly key causes no program to start, by no route, method or spelling.',
    tests: ['test/matrix.e2e-spec.ts', 'test/refusals.e2e-spec.ts', 'test/routes.spec.ts', 'src/auth/permissions.spec.ts'],
  },
  A2: {
    says: 'The routes are those of the documentation; with one that does not say who may use it the gateway does not start.',
    tests: ['test/matrix.e2e-spec.ts', 'test/routes.spec.ts'],
  },
  A3: {
    says: 'Whatever ends or changes a key takes effect at once, on what is open within two seconds.',
    tests: ['test/keys.e2e-spec.ts', 'src/auth/key-life.spec.ts', 'src/addresses/address-ranges.spec.ts'],
  },
  A4: {
    says: 'Keys cannot be guessed, told from each other by how they fail, or mistaken by scanners.',
    tests: [
      'src/auth/guess-timing.spec.ts',
      'test/refusals.e2e-spec.ts',
      'test/scanner-rule.spec.ts',
      'src/auth/key-format.spec.ts',
      'src/auth/authenticator.spec.ts',
    ],
    torture: ['test/torture/guessing.torture.ts'],
  },
  A5: {
    says: 'A rotation lets both secrets in for as long as it says, shows the last use of each, and fails no request.',
    tests: ['test/keys.e2e-spec.ts', 'src/auth/key-life.spec.ts'],
  },
  A6: {
    says: 'Keys and secrets stand in no log, entry, metric, listing or file.',
    tests: ['test/operations.e2e-spec.ts', 'test/redaction.e2e-spec.ts', 'test/secrets.e2e-spec.ts', 'src/auth/key.service.spec.ts'],
  },
  A7: {
    says: 'Limits are exact however many ask at once and whichever gateway, and a refusal says when to come back.',
    tests: [
      'test/limits.e2e-spec.ts',
      'src/auth/rate-limits.spec.ts',
      'test/keys.e2e-spec.ts',
      'test/child-keys.e2e-spec.ts',
      'test/shared-rates.e2e-spec.ts',
      'test/redis-windows.spec.ts',
    ],
  },
  A8: {
    says: 'A shared store of counters that is away costs 100 ms once, is handled by a stated rule, and gets no counts later.',
    tests: ['test/shared-rates.e2e-spec.ts', 'test/redis-windows.spec.ts'],
  },
  A9: {
    says: 'Nobody says by a header who they are, unless a proxy that is trusted says it; IPv6 counts by /64.',
    tests: ['test/limits.e2e-spec.ts', 'src/http/address-bucket.spec.ts'],
  },
  A10: {
    says: 'Whoever guesses is slowed down and locks out nobody.',
    tests: ['src/auth/access-gate.spec.ts'],
  },
  A11: {
    says: 'A key that floods holds up no other; admins and probes always get through.',
    tests: ['test/limits.e2e-spec.ts', 'src/runs/admission.spec.ts'],
    torture: ['test/torture/fairness.torture.ts'],
  },
  A12: {
    says: 'An approval is for exactly what was asked, by somebody else, once; whatever changes voids it.',
    tests: ['test/policy.e2e-spec.ts', 'test/child-policy.e2e-spec.ts', 'test/crash.e2e-spec.ts'],
  },
  A13: {
    says: 'A plan runs nothing and shows what the run then starts.',
    tests: ['test/policy.e2e-spec.ts', 'test/child-policy.e2e-spec.ts'],
  },
  H1: {
    says: 'A request that two readers could read in two ways is refused, and its connection closed.',
    tests: ['test/framing.e2e-spec.ts', 'test/refusals.e2e-spec.ts'],
  },
  H2: { says: 'Limits of a request hold exactly, each with a code of its own.', tests: ['test/edges.e2e-spec.ts'] },
  H3: { says: 'JSON has one meaning or is refused.', tests: ['test/edges.e2e-spec.ts', 'src/http/body-parser.spec.ts'] },
  H4: {
    says: 'Clients that hold on to connections hold up nobody.',
    tests: ['test/connections.e2e-spec.ts'],
    torture: ['test/torture/connections.torture.ts'],
  },
  H5: {
    says: 'Errors are problems that tell nothing of the inside, with an id that the log has.',
    tests: ['test/faults-of-ours.e2e-spec.ts', 'test/operations.e2e-spec.ts', 'test/refusals.e2e-spec.ts'],
  },
  H6: {
    says: 'Events of a run are numbered; who comes again gets what is missing, and nothing twice.',
    tests: ['test/doors.e2e-spec.ts', 'src/runs/output-collector.spec.ts', 'src/runs/live-run.spec.ts'],
  },
  H7: { says: 'WebSockets are bound like every other door.', tests: [], waitsFor: 'WebSockets' },
  H8: {
    says: 'Told to stop, the gateway takes nothing new, gives what is under way its time, and records all of it; a second signal cuts it short.',
    tests: ['test/drain.e2e-spec.ts'],
    torture: ['test/torture/drain.torture.ts'],
  },
  H12: {
    says: 'Another configuration is in force as a whole and once it is recorded, or not at all; runs keep what they started with.',
    tests: ['test/reload.e2e-spec.ts', 'test/reload-under-load.e2e-spec.ts', 'test/config-watch.e2e-spec.ts'],
  },
  H13: {
    says: 'Tries and breakers count exactly, by the monotonic clock; only what may be done twice is tried again.',
    tests: ['src/resilience/breaker.spec.ts', 'src/resilience/resilience.spec.ts', 'test/breakers.e2e-spec.ts'],
  },
  H15: {
    says: 'TLS from 1.2 on with suites that keep secrets for good; a new certificate cuts no connection.',
    tests: ['test/tls.e2e-spec.ts'],
  },
  H16: { says: 'Pages of other origins may not call unless they are named.', tests: ['test/browsers.e2e-spec.ts'] },
  H17: {
    says: 'A call of ours to the outside never reaches an address inside.',
    tests: ['src/outgoing/outgoing-client.spec.ts', 'src/outgoing/url-rules.spec.ts', 'test/http-executor.e2e-spec.ts'],
  },
  R1: { says: 'What is masked does not depend on how the output was cut into chunks.', tests: ['src/redaction/redactor.spec.ts'] },
  R2: { says: 'Masking again changes nothing.', tests: ['src/redaction/redactor.spec.ts'] },
  R3: {
    says: 'A declared secret is found in every encoding, at every alignment, over every line break.',
    tests: ['src/redaction/secret-forms.spec.ts', 'test/redaction.e2e-spec.ts'],
  },
  R4: {
    says: 'What is recognised, and what is left alone, is measured and published.',
    tests: ['test/redaction-corpus.spec.ts', 'src/redaction/detectors.spec.ts'],
  },
  R5: {
    says: 'Redaction takes time and memory in proportion, whatever the text.',
    tests: ['src/redaction/redactor.spec.ts', 'src/redaction/escape-stage.spec.ts', 'src/redaction/own-rules.spec.ts'],
  },
  R6: {
    says: 'Every exit shows the same masked text.',
    tests: ['test/redaction.e2e-spec.ts', 'test/operations.e2e-spec.ts', 'test/secrets.e2e-spec.ts'],
  },
  R7: {
    says: 'Escapes hide no secret and steer no terminal.',
    tests: ['src/redaction/escape-stage.spec.ts', 'test/doors.e2e-spec.ts'],
  },
  T06: {
    says: 'URLs that commands take lead to no private address, no other scheme and no host that was not named.',
    tests: ['src/outgoing/url-rules.spec.ts', 'src/outgoing/outgoing-client.spec.ts', 'test/http-executor.e2e-spec.ts'],
  },
  T20: {
    says: 'A fresh gateway lets nobody in without a key, and takes no example for one.',
    tests: ['test/refusals.e2e-spec.ts', 'test/routes.spec.ts', 'src/auth/key-format.spec.ts', 'src/auth/key.service.spec.ts'],
  },
  T21: {
    says: 'Every route is tried with every role, for own and for other objects.',
    tests: ['test/matrix.e2e-spec.ts', 'test/refusals.e2e-spec.ts'],
  },
  T22: {
    says: "Somebody else's run looks like none.",
    tests: ['test/matrix.e2e-spec.ts', 'test/doors.e2e-spec.ts', 'test/refusals.e2e-spec.ts'],
  },
  T23: {
    says: 'A second door to the same thing asks the same question.',
    tests: ['test/result-sharing.e2e-spec.ts', 'test/doors.e2e-spec.ts', 'test/matrix.e2e-spec.ts'],
  },
  T24: {
    says: 'Readonly is forbidden at every door that starts or ends a run, also as an item of a batch.',
    tests: ['test/refusals.e2e-spec.ts', 'test/policy.e2e-spec.ts', 'test/child-keys.e2e-spec.ts', 'src/auth/permissions.spec.ts'],
  },
  T26: {
    says: 'A child key never exceeds its parent, and nobody edits their own rights.',
    tests: ['test/child-keys.e2e-spec.ts', 'test/keys.e2e-spec.ts'],
  },
  T27: {
    says: 'Odd spellings of address, host and caller decide nothing.',
    tests: ['test/refusals.e2e-spec.ts', 'test/matrix.e2e-spec.ts', 'test/framing.e2e-spec.ts'],
  },
  T29: { says: 'Forwarded addresses count from trusted proxies only.', tests: ['test/limits.e2e-spec.ts'] },
  T30: {
    says: 'Unknown, wrong, revoked and expired keys look alike.',
    tests: ['test/refusals.e2e-spec.ts', 'src/auth/authenticator.spec.ts', 'src/auth/guess-timing.spec.ts'],
  },
  T31: { says: 'No page makes a browser act, and GET changes nothing.', tests: ['test/browsers.e2e-spec.ts'] },
  T32: {
    says: 'A key that is revoked or rotated ends what it has open, and so do those above it.',
    tests: ['test/keys.e2e-spec.ts', 'test/child-keys.e2e-spec.ts'],
  },
  T35: {
    says: 'Plans, suggestions and listings show what the key may run only.',
    tests: ['test/doors.e2e-spec.ts', 'test/policy.e2e-spec.ts'],
  },
  T40: {
    says: 'A secret comes out of no door in no encoding.',
    tests: [
      'test/redaction.e2e-spec.ts',
      'test/operations.e2e-spec.ts',
      'test/secrets.e2e-spec.ts',
      'src/redaction/secret-forms.spec.ts',
      'src/runs/output-collector.spec.ts',
    ],
  },
  T44: {
    says: 'No text forges a line of the log or of the audit log.',
    tests: ['test/operations.e2e-spec.ts', 'test/refusals.e2e-spec.ts', 'src/audit/audit.spec.ts'],
  },
  T50: {
    says: 'Unknown keys and addresses in any number leave the memory flat.',
    tests: ['src/auth/rate-limits.spec.ts'],
    torture: ['test/torture/fairness.torture.ts'],
  },
  T52: {
    says: 'Bombs, endless lines, slow drips and whoever holds the pipe are dealt with.',
    tests: ['test/limits.e2e-spec.ts', 'test/floods.e2e-spec.ts', 'src/launcher/outbox.spec.ts'],
    torture: ['test/torture/flood.torture.ts'],
  },
  T53: {
    says: 'A slow reader costs nothing and holds up nobody; one that leaves its own run ends it.',
    tests: ['test/limits.e2e-spec.ts', 'test/doors.e2e-spec.ts', 'test/floods.e2e-spec.ts'],
    torture: ['test/torture/flood.torture.ts'],
  },
  T54: {
    says: 'With a limit of 10 and 200 callers exactly 10 run.',
    tests: ['test/limits.e2e-spec.ts', 'src/runs/admission.spec.ts'],
  },
  T58: {
    says: 'Files that are broken, half-written, renamed or swapped leave the last good configuration in force, and the mistake is told.',
    tests: ['test/reload.e2e-spec.ts', 'test/config-watch.e2e-spec.ts', 'test/reload-under-load.e2e-spec.ts'],
  },
  T59: {
    says: 'Whatever is done to the audit log, the verifier names the first bad entry.',
    tests: ['test/audit-tampering.spec.ts', 'test/audit-checkpoints.e2e-spec.ts'],
    torture: ['test/torture/audit.torture.ts'],
  },
  T60: {
    says: 'Redaction and tripwire take time in proportion over lines of 10 MB.',
    tests: ['src/redaction/redactor.spec.ts', 'src/redaction/escape-stage.spec.ts', 'test/tripwire.spec.ts'],
  },
  T61: { says: 'Output steers no terminal of who reads it as text.', tests: ['test/doors.e2e-spec.ts'] },
  tripwire: {
    says: 'Patterns that do harm are stopped at every door, and the documentation says how often that fails.',
    tests: ['test/tripwire.spec.ts', 'test/policy.e2e-spec.ts'],
  },
  health: {
    says: 'Health answers whatever hangs; readiness depends on what is critical, and liveness on nothing.',
    tests: ['test/health.e2e-spec.ts', 'src/health/examination.spec.ts', 'test/obs.e2e-spec.ts', 'test/llm.e2e-spec.ts'],
  },
  metrics: {
    says: 'What is measured has labels from closed sets, and measuring fails nobody.',
    tests: ['test/metrics.e2e-spec.ts', 'test/operations.e2e-spec.ts', 'src/metrics/event-loop-lag.spec.ts'],
  },
  monitoring: {
    says: 'Rules and dashboards ask for what there is; alerts fire, reach whom they should, and clear.',
    tests: ['test/monitoring.e2e-spec.ts'],
  },
  dashboard: {
    says: 'The dashboard counts what happened, and shows each key what it may see elsewhere.',
    tests: ['test/dashboard.e2e-spec.ts', 'src/dashboard/run-tally.spec.ts', 'src/dashboard/traffic.spec.ts'],
  },
  logging: {
    says: 'Of each answer there is one line, whole and harmless, kept for as long as was asked for and lost at no stop.',
    tests: ['test/logs.e2e-spec.ts', 'test/operations.e2e-spec.ts', 'src/logging/rotating-file.spec.ts'],
    torture: ['test/torture/logs.torture.ts'],
  },
  tracing: {
    says: 'Traces join what callers began, name nothing that callers made up, and hold up nobody.',
    tests: ['test/tracing.e2e-spec.ts', ...['otlp-encoder', 'sampler', 'span-queue', 'spans'].map((name) => `src/tracing/${name}.spec.ts`)],
  },
  'error tracking': {
    says: 'What a human must act on is told once for each cause, in words of ours alone; without a DSN nothing is loaded.',
    tests: ['test/error-tracking.e2e-spec.ts', 'src/error-tracking/sentry-transport.spec.ts', 'src/error-tracking/cause-ledger.spec.ts'],
  },
  obs: {
    says: 'OBS is asked over one connection, for what is on a closed list, and holds up nobody.',
    tests: ['test/obs.e2e-spec.ts'],
  },
  agents: {
    says: 'A model has nothing run but what its agent declares and its caller may run, on the one path; one agent takes one instruction at a time.',
    tests: ['test/agents.e2e-spec.ts', 'test/conversation.e2e-spec.ts'],
  },
  secrets: {
    says: 'Secrets for commands are sealed at rest, and of no use with another key, name or version.',
    tests: ['src/secrets/envelope.spec.ts', 'src/secrets/key-rotation.spec.ts', 'test/secrets.e2e-spec.ts'],
  },
};
