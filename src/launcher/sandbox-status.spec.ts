import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { SandboxStatus } from './sandbox-status.js';

const STANDING = '{ "child-pid": 4711, "cgroup-namespace": 4026532 }\n';
const ENDED = '{ "exit-code": 3 }\n';

function read(pieces: readonly string[]) {
  const standing: number[] = [];
  const status = new SandboxStatus((pid) => standing.push(pid));
  for (const piece of pieces) status.take(Buffer.from(piece));
  return { standing, programRan: status.programRan };
}

describe('what bubblewrap tells of a sandbox', () => {
  it('is understood however it is cut', () => {
    const text = STANDING + ENDED;
    fc.assert(
      fc.property(fc.array(fc.nat({ max: text.length }), { maxLength: 6 }), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(read(pieces)).toEqual({ standing: [4711], programRan: true });
      }),
    );
  });

  it('does not say that the program ran before it has', () => {
    expect(read([STANDING])).toEqual({ standing: [4711], programRan: false });
    expect(read([STANDING, ENDED.slice(0, -1)])).toEqual({ standing: [4711], programRan: false });
    expect(read([])).toEqual({ standing: [], programRan: false });
  });

  it('is no matter of trust: nonsense is passed over', () => {
    expect(read(['{"child-pid": "1"}\n[]\nnull\n{"exit-code": {}}\n', 'x'.repeat(10_000)])).toEqual({ standing: [], programRan: false });
  });
});
