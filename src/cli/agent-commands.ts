import type { Command } from 'commander';
import { type RemoteOptions, URL_OPTION } from './options.js';

/** Agents of a running server. */
export function addAgentCommands(program: Command, exit: (code: number) => void): void {
  const agents = program.command('agents').description('programs that stay and take instructions, in the server at --url');
  agents
    .command('list')
    .description('agents, newest first; the last of those that have ended too')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (options: RemoteOptions) => (await import('./agents.js')).listAgents(options));
  agents
    .command('start <command> [arguments...]')
    .description('start one: name=value (or name:=json) arguments; prints its id')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (command: string, words: string[], options: RemoteOptions) =>
      (await import('./agents.js')).startAgent(command, words, options),
    );
  agents
    .command('show <id>')
    .description('show one')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (id: string, options: RemoteOptions) => (await import('./agents.js')).showAgent(id, options));
  agents
    .command('tell <id> <instruction>')
    .description('give one an instruction and print its answer; exit codes are those of run')
    .option(...URL_OPTION)
    .option('--json', 'print the envelope (or the problem) as JSON')
    .action(async (...[id, instruction, options]: [string, string, RemoteOptions]) =>
      exit(await (await import('./agents.js')).tellAgent(id, instruction, options)),
    );
  agents
    .command('end <id>')
    .description('end one, with everything that it started, and forget it')
    .option(...URL_OPTION)
    .option('--json', 'as JSON')
    .action(async (id: string, options: RemoteOptions) => (await import('./agents.js')).endAgent(id, options));
}
