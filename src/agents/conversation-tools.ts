import type { Catalogue } from '../commands/catalogue.js';
import type { PrincipalId } from '../domain/principal.js';
import type { RequestOrigin } from '../http/parameters.js';
import type { LlmClient } from '../llm/llm-client.js';
import type { RunService } from '../runs/run.service.js';
import { Toolbox, toolsFor } from './toolbox.js';

/** What conversations share: the models, and the commands that they may ask for. */
export class ConversationTools {
  constructor(
    readonly llm: LlmClient,
    private readonly runs: RunService,
    private readonly catalogue: Catalogue,
  ) {}

  /**
   * What whoever gives an instruction may have run for it, as the catalogue is now. Nothing for anybody but its owner: what was said before is the owner's,
   * and must not lead the rights of somebody who may more.
   */
  toolboxFor(globs: readonly string[], origin: RequestOrigin, owner: PrincipalId): Toolbox {
    const { principal } = origin;
    return new Toolbox(this.runs, principal.id === owner ? toolsFor(this.catalogue, globs, principal) : [], origin);
  }
}
