import type { DetectorSet } from './detector-set.js';
import { DetectorStage } from './detector-stage.js';
import { EscapeStage, type Judgement } from './escape-stage.js';
import { SecretAutomaton } from './secret-automaton.js';
import { secretForms } from './secret-forms.js';
import { SecretStage } from './secret-stage.js';
import type { Stage } from './stage.js';

export interface RedactorOptions {
  /** Exact values to mask, in every encoding that `secretForms` lists. Those under four characters are left alone. */
  readonly secrets?: readonly string[];
  /** Called once for every mask that is put in. */
  readonly onRedaction?: (kind: string) => void;
}

/**
 * Masks secrets and personal data in a stream: `«redacted:kind»`. One redactor serves one stream (stdout, stderr) of one run.
 *
 * The output does not depend on how the input is split, and redacting it again changes nothing. Time is linear in the input.
 * Text goes out as soon as nothing that is still to come can change it: whole lines at once, of an unfinished line all but a
 * last word. A line with terminal escapes waits for its end. Only a declared secret that contains line ends, or is wrapped at an encoder's column, holds back more. From the
 * header of a private key on nothing goes out until its footer; in its place stands the mask.
 */
export interface Redactor {
  push(text: string): string;
  /** Bytes of UTF-8. A sequence may be split over calls; what is no UTF-8 becomes U+FFFD. Use either this or `push`. */
  pushBytes(bytes: Uint8Array): string;
  /** The rest. Call it once, when the stream has ended. */
  end(): string;
}

/** @throws GatewayError `invalid_arguments` when the secrets are too long to be masked (see `secretForms`) */
export function createRedactorOf(detectors: DetectorSet, { secrets = [], onRedaction = () => undefined }: RedactorOptions = {}): Redactor {
  const forms = secretForms(secrets);
  const automaton = forms.length > 0 ? new SecretAutomaton(forms) : null;
  const secretStages = (report: (kind: string) => void, before?: string): Stage[] =>
    automaton ? [new SecretStage(automaton, detectors.masks, report, before)] : [];
  const seeingAfter = (before: string, report: (kind: string) => void): Stage[] => [
    ...secretStages(report, before),
    new DetectorStage(detectors, report, through(secretStages(ignored), before)),
  ];
  const mayMatch = (text: string): boolean => detectors.mayMatch(text) || (automaton !== null && text.search(automaton.hints) !== -1);
  const judge = (text: string, before: string): Judgement => {
    if (!mayMatch(before + text)) return { text, count: 0, accept: ignored };
    const kinds: string[] = [];
    const masked = through(
      seeingAfter(before, (kind) => kinds.push(kind)),
      text,
    );
    return { text: masked, count: kinds.length, accept: () => kinds.forEach(onRedaction) };
  };
  const stages = [new EscapeStage(judge), ...secretStages(onRedaction), new DetectorStage(detectors, onRedaction)];
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const push = (text: string): string => stages.reduce((input, stage) => stage.push(input), text);
  return {
    push,
    pushBytes: (bytes) => push(decoder.decode(bytes, { stream: true })),
    end: () => through(stages, decoder.decode()),
  };
}

const ignored = (): void => undefined;

/** The last text through the stages, and what they held back. */
function through(stages: readonly Stage[], text: string): string {
  return stages.reduce((input, stage) => stage.push(input) + stage.end(), text);
}
