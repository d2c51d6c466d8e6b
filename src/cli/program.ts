import { Command } from 'commander';
import { CatalogueMistakes } from '../commands/catalogue-mistakes.js';
import { SettingsError } from '../config/settings.js';
import { VERSION } from '../config/version.js';
import { GatewayError, toProblem } from '../domain/errors.js';
import { CliFailure, describeProblem, EXIT_REFUSED } from './cli-failure.js';
import { addAgentCommands } from './agent-commands.js';
import { addKeyCommands } from './key-commands.js';
import {
  collect,
  type DoctorOptions,
  type ExportAuditOptions,
  type RemoteOptions,
  type RotateOptions,
  type RunOptions,
  URL_OPTION,
  type VerifyAuditOptions,
} from './options.js';
import { addPolicyCommands } from './policy-commands.js';

/** Exit codes: 0 done; 1 failed; 2 refused (bad usage, settings, arguments, rights); `run` passes its command's own code on. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command('sallyport')
    .description('The guarded door between callers and the commands that run their systems.')
    .version(VERSION);
  program.exitOverride((error) => {
    throw new CliFailure('', error.exitCode === 0 ? 0 : EXIT_REFUSED);
  });

  program
    .command('serve', { isDefault: true })
    .description('start the gateway (default)')
    .allowExcessArguments()
    .action(async (_options, { args: [unknown] }: Command) => {
      // Without a command it serves; so a mistyped one ends up here.
      if (unknown !== undefined) throw new CliFailure(`There is no command "${unknown}"; --help lists those there are.`, EXIT_REFUSED);
      await (await import('./serve.js')).serve();
    });

  program
    .command('check')
    .description('check settings and catalogue; report everything that is wrong, with file and line')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => (await import('./check.js')).check(options));

  program
    .command('doctor')
    .description('look at this host as a start would, and tell what is contained here and what is not')
    .option('--json', 'as JSON')
    .option('--canary', 'instead, run a command that prints a fresh secret, and look for it in everything that is answered and stored')
    .option('--url <url>', 'with --canary: a running server; SALLYPORT_KEY holds the key')
    .action(async (options: DoctorOptions) => void (exitCode = await examine(options)));

  const exit = (code: number) => void (exitCode = code);
  addKeyCommands(program);
  addSecretCommands(program);
  addPolicyCommands(program, exit);
  addAgentCommands(program, exit);

  program
    .command('run [command] [arguments...]')
    .description('run a command: name=value (or name:=json) arguments, or --text "a phrase"')
    .option('--text <phrase>', 'free text instead of a name')
    .option('--plan <id>', 'a plan of the server at --url, instead of a name')
    .option('--idempotency-key <key>', 'your own name for this request: for 24 hours the same request with it gets the same run')
    .option(...URL_OPTION)
    .option('--json', 'print the envelope (or the problem) as JSON')
    .action(async (name: string | undefined, pairs: string[], options: RunOptions) => {
      exitCode = await (await import('./run.js')).run(name, pairs, options);
    });

  addAuditCommands(program, exit);

  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    return explain(error);
  }
}

async function examine(options: DoctorOptions): Promise<number> {
  const { canary, url } = options;
  if (url && !canary) throw new CliFailure('--url goes with --canary: the doctor looks at its own host.', EXIT_REFUSED);
  if (url) return (await import('./canary-at-server.js')).plantCanaryAt(url, options);
  return canary ? (await import('./canary.js')).plantCanary(options) : (await import('./doctor.js')).doctor(options);
}

function addAuditCommands(program: Command, exit: (code: number) => void): void {
  const audit = program.command('audit').description('the audit log');
  audit
    .command('verify')
    .description('check the whole log; names the first bad entry. Exit code 3: sound, but no checkpoint from outside tells where it ends')
    .option('--file <export>', 'an ndjson export, instead of the database: needs nothing else of this host')
    .option('--checkpoint <file>', 'signed checkpoints that were kept elsewhere, one after the other')
    .option('--public-key <key>', 'a key that may have signed them; may be given again', collect)
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: VerifyAuditOptions) => exit(await (await import('./audit.js')).verifyAudit(options)));
  audit
    .command('export')
    .description('print the whole log, oldest entry first')
    .addOption(
      audit
        .createOption('--format <format>', 'ndjson can be verified; csv is for spreadsheets')
        .choices(['ndjson', 'csv'])
        .default('ndjson'),
    )
    .option(...URL_OPTION)
    .action(async (options: ExportAuditOptions) => (await import('./audit.js')).exportAudit(options));
  audit
    .command('checkpoint')
    .description('print the newest signed checkpoint; with --json the public key as well')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: RemoteOptions) => (await import('./audit.js')).showCheckpoint(options));
}

function addSecretCommands(program: Command): void {
  const secrets = program.command('secrets').description('manage secrets for commands of this DATA_DIR, or of the server at --url');
  secrets
    .command('set <name>')
    .description('set a secret: its value is read from stdin, or asked for without echo')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (name: string, options: RemoteOptions) => (await import('./secrets.js')).setSecret(name, options));
  secrets
    .command('list')
    .description('list names and dates; values are never shown')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: RemoteOptions) => (await import('./secrets.js')).listSecrets(options));
  secrets
    .command('delete <name>')
    .description('forget a secret')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (name: string, options: RemoteOptions) => (await import('./secrets.js')).deleteSecret(name, options));
  secrets
    .command('rotate-key')
    .description('put all secrets of this DATA_DIR under a new master key')
    .option('--new-key-file <file>', 'where SECRETS_KEY is set: a file with the new key, 32 random bytes as base64 or hex')
    .option('--json', 'as JSON')
    .action(async (options: RotateOptions) => (await import('./secrets.js')).rotateKey(options));
}

function explain(error: unknown): number {
  if (error instanceof CliFailure) {
    if (error.message) process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof SettingsError || error instanceof CatalogueMistakes) {
    process.stderr.write(`${error.message}\n`);
    return EXIT_REFUSED;
  }
  if (error instanceof GatewayError) {
    process.stderr.write(`${describeProblem(toProblem(error, 'local'))}\n`);
    return EXIT_REFUSED;
  }
  throw error;
}
