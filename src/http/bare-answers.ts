import type { Socket } from 'node:net';
import type { Problem } from '../domain/errors.js';

/** What was answered on bare sockets, past the framework, until somebody takes note of it. */
const answers = new WeakMap<Socket, Problem>();

export function noteBareAnswer(socket: Socket, problem: Problem): void {
  answers.set(socket, problem);
}

/** The answer, to the first who asks: a request that was under way on this socket has no other. */
export function takeBareAnswer(socket: Socket): Problem | undefined {
  const problem = answers.get(socket);
  answers.delete(socket);
  return problem;
}
