import type { Command } from 'commander';
import { ROLES } from '../domain/principal.js';
import {
  type ChangeKeyOptions,
  collect,
  type CreateKeyOptions,
  type ListKeysOptions,
  type RemoteOptions,
  type RotateKeyOptions,
  URL_OPTION,
} from './options.js';

export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').description('manage API keys of this DATA_DIR, or of the server at --url');
  keys
    .command('generate')
    .description('print a key that no store knows yet, for ADMIN_KEY of a first start')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => (await import('./keys.js')).generate(options));
  withTerms(keys.command('create <name>'))
    .description('make a key, an operator unless --role says otherwise; its text is printed once')
    .option('--parent <id>', 'make it from this key, and narrower: what is not given is as with that key, its end in an hour')
    .option('--pin <command.param=value>', 'with --parent: the one value for a param (:= for JSON); may be given again', collect)
    .option('--calls <runs>', 'with --parent: runs in all')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (name: string, options: CreateKeyOptions) => (await import('./keys.js')).createKey(name, options));
  withTerms(keys.command('change <id>'))
    .description('change a key; "none" for an expiry, address, rate, budget or tokens takes that bound away')
    .option('--name <name>', 'who or what holds it')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (id: string, options: ChangeKeyOptions) => (await import('./keys.js')).changeKey(id, options));
  keys
    .command('list')
    .description('list keys')
    .option('--parent <id>', 'those that were made from this key')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: ListKeysOptions) => (await import('./keys.js')).listKeys(options));
  keys
    .command('rotate <id>')
    .description('give a key another secret; its text is printed once')
    .option('--overlap <duration>', 'how long the old secret is taken beside it; 1h unless given, 0s: not at all')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (id: string, options: RotateKeyOptions) => (await import('./keys.js')).rotateKey(id, options));
  keys
    .command('revoke <id>')
    .description('revoke a key and all that were made from it')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (id: string, options: RemoteOptions) => (await import('./keys.js')).revokeKey(id, options));
}

function withTerms(command: Command): Command {
  return command
    .addOption(command.createOption('--role <role>', 'what it may do').choices(ROLES))
    .option('--scope <glob>', 'commands it may touch, such as git.*; may be given again', collect)
    .option('--expires-in <duration>', 'such as 12h or 30d')
    .option('--address <range>', 'an address or CIDR range it may be used from; may be given again', collect)
    .option('--rate <rate>', 'requests it may make, such as 30/min')
    .option('--budget <runs>', 'runs a day (UTC)')
    .option('--tokens <tokens>', 'tokens of language models a day (UTC); the last call may go over');
}
