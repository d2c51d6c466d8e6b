import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import { Catalogue } from '../commands/catalogue.js';
import { GatewayError } from '../domain/errors.js';
import { createRequestContext } from '../http/request-context.js';
import type { PlanView } from '../runs/plan-view.js';
import { PlanService } from '../runs/plan.service.js';
import { planRequestSchema } from '../runs/run-request.js';
import { EXIT_REFUSED, print } from './cli-failure.js';
import type { PlanOptions } from './options.js';
import { callServer } from './remote.js';
import { type Asked, askedFor, presentProblem, problemOf, requestAt, requestOf } from './run-requests.js';
import { describeVerdict } from './policy.js';

/**
 * Shows what a run would do, here or at a server, and starts nothing. A plan of this host has no id: it goes with this program.
 * @returns the exit code: refused where a rule denies
 */
export async function plan(name: string | undefined, words: readonly string[], options: PlanOptions): Promise<number> {
  const asked = askedFor(name, words, options);
  try {
    const view = await (options.url ? planAtServer(options.url, asked) : planHere(asked));
    print(view, options, () => describe(view));
    return view.verdicts.some(({ says }) => says === 'denies') ? EXIT_REFUSED : 0;
  } catch (error) {
    return presentProblem(problemOf(error), options);
  }
}

async function planAtServer(url: string, asked: Asked): Promise<PlanView> {
  return callServer<PlanView>(url, '/plan', { method: 'POST', body: await requestAt(url, asked) });
}

async function planHere(asked: Asked): Promise<PlanView> {
  const { withLocalRooms } = await import('./local.js');
  return withLocalRooms(async ({ context, gateway }) => {
    await gateway.openCatalogue();
    const parsed = planRequestSchema.safeParse(requestOf(asked, context.get(Catalogue).get(asked.name ?? '')?.argumentsSchema ?? {}));
    if (!parsed.success) throw new GatewayError('invalid_request', 'The request is neither a command with arguments nor a phrase.');
    const { requestId, traceparent } = createRequestContext({}, 0);
    const origin = { principal: LOCAL_PRINCIPAL, requestId, traceparent, idempotencyKey: undefined };
    return { ...(await context.get(PlanService).plan(parsed.data, origin)), planId: null, expiresAt: null };
  });
}

function describe({ planId, expiresAt, verdicts, ...view }: PlanView): string {
  const { executable, argv, environment, cwd, sandbox, limits } = view;
  const facts: Readonly<Record<string, string | null | undefined>> = {
    command: view.command,
    arguments: JSON.stringify(view.args),
    program: executable && `${executable.path} (sha256 ${executable.sha256 ?? 'unknown'})`,
    argv: argv?.map((element) => JSON.stringify(element)).join(' '),
    environment: environment.join(' ') || null,
    folder: cwd,
    sandbox: sandbox?.profile,
    limits: `${limits.timeoutMs} ms, ${limits.outputBytes} bytes of output`,
    fingerprint: view.fingerprint,
    plan: planId && `${planId} until ${expiresAt ?? ''}`,
  };
  const told = Object.entries(facts).flatMap(([name, fact]) => (fact ? [`${name.padEnd(12)} ${fact}`] : []));
  return [...told, '', ...verdicts.map(describeVerdict)].join('\n');
}
