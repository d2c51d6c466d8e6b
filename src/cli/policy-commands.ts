import type { Command } from 'commander';
import {
  type ApproveOptions,
  type ExplainOptions,
  type FreezeOptions,
  type PlanOptions,
  type RemoteOptions,
  URL_OPTION,
} from './options.js';

/** Plans, explanations, approvals and freezes. */
export function addPolicyCommands(program: Command, exit: (code: number) => void): void {
  program
    .command('plan [command] [arguments...]')
    .description('show what a run would do, and what each rule says; start nothing. Exit code 2: a rule denies')
    .option('--text <phrase>', 'free text instead of a name')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (...[name, words, options]: [string | undefined, string[], PlanOptions]) =>
      exit(await (await import('./plan.js')).plan(name, words, options)),
    );
  program
    .command('explain <command>')
    .description('tell which rule allows or denies a key a command. Exit code 2: a rule denies')
    .option('--key <id>', 'a key; whoever asks without it')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (command: string, options: ExplainOptions) => exit(await (await import('./policy.js')).explain(command, options)));
  addApprovalCommands(program);
  addFreezeCommands(program);
}

function addApprovalCommands(program: Command): void {
  const approvals = program.command('approvals').description('runs that wait in the server at --url until somebody else has looked');
  approvals
    .command('list')
    .description('what waits, and what each would start')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: RemoteOptions) => (await import('./policy.js')).listApprovals(options));
  approvals
    .command('approve <run>')
    .description('let a run start, exactly as it is shown')
    .requiredOption('--fingerprint <fingerprint>', 'of what you have looked at: nothing else is approved')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (run: string, options: ApproveOptions) => (await import('./policy.js')).approve(run, options));
  approvals
    .command('deny <run>')
    .description('end a run that waits, unstarted')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (run: string, options: RemoteOptions) => (await import('./policy.js')).deny(run, options));
}

function addFreezeCommands(program: Command): void {
  program
    .command('freeze')
    .description('let nothing start until it is thawed')
    .option('--all', 'everything')
    .option('--command <glob>', 'commands, such as git.*')
    .option('--key <id>', 'a key and all that were made from it')
    .requiredOption('--reason <text>', 'why, for those who are refused')
    .option('--stop', 'end what runs, too')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: FreezeOptions) => (await import('./policy.js')).freeze(options));
  program
    .command('freezes')
    .description('list what is frozen')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: RemoteOptions) => (await import('./policy.js')).listFreezes(options));
  program
    .command('thaw <id>')
    .description('lift a freeze')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (id: string, options: RemoteOptions) => (await import('./policy.js')).thaw(id, options));
}
