import { createHmac } from 'node:crypto';
import { canonicalJson } from '../domain/audit.js';
import type { Command, Preparation } from '../domain/command.js';
import type { SecretKey } from '../domain/ports.js';
import type { PrincipalId } from '../domain/principal.js';
import { ProgramDigests } from '../commands/program-digests.js';

/** Names everything about a run that is decided before it starts: one changed byte anywhere gives another fingerprint. */
export interface Seal {
  /** Hex. Keyed, so that nobody outside can try values against it: it covers secrets. */
  readonly fingerprint: string;
  /** SHA-256 (hex) of the program; null for a builtin, or a program that cannot be read. */
  readonly executableDigest: string | null;
}

/** Seals what would be carried out: who asks, version of the declaration, program, argv, environment, folder, stdin, files, sandbox, limits. */
export class Sealer {
  private readonly programs = new ProgramDigests();

  constructor(private readonly secretKey: SecretKey) {}

  async seal(requester: PrincipalId, command: Pick<Command, 'name' | 'version'>, { invocation }: Preparation): Promise<Seal> {
    const executableDigest = invocation.kind === 'process' ? await this.programs.of(invocation.file) : null;
    const sealed = canonicalJson({ requester, command: command.name, version: command.version, executableDigest, invocation });
    return { executableDigest, fingerprint: createHmac('sha256', this.secretKey.bytes).update(`seal\n${sealed}`).digest('hex') };
  }
}
