import { describe, expect, it } from '@jest/globals';
import { AgentFeed, type AgentEvent } from './agent-feed.js';

async function all(events: AsyncGenerator<AgentEvent, void, undefined>): Promise<AgentEvent[]> {
  const seen: AgentEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

describe('the feed of an agent', () => {
  it('gives what is kept and what comes, from where a reader left off, to its end', async () => {
    const feed = new AgentFeed();
    feed.publish('output', 'first');
    const [reading, resuming] = [all(feed.follow(0)), all(feed.follow(1))];
    feed.publish('output', 'second');
    feed.close();
    expect((await reading).map(({ id, data }) => [id, data])).toEqual([
      [1, '"first"'],
      [2, '"second"'],
    ]);
    expect((await resuming).map(({ id }) => id)).toEqual([2]);
    expect(await all(feed.follow(99))).toEqual([]);
  });

  it('keeps little, and tells a slow reader exactly how many it missed', async () => {
    const feed = new AgentFeed();
    const slow = feed.follow(0);
    feed.publish('output', 0);
    expect((await slow.next()).value).toMatchObject({ id: 1 });
    for (let number = 1; number < 3_000; number++) feed.publish('output', number);
    expect((await slow.next()).value).toEqual({ id: 2_000, name: 'missed', data: '{"events":1999}' });
    expect((await slow.next()).value).toEqual({ id: 2_001, name: 'output', data: '2000' });
    feed.publish('output', 'x'.repeat(300_000));
    feed.close();
    expect((await all(slow)).map(({ id, name }) => [id, name])).toEqual([
      [3_000, 'missed'],
      [3_001, 'output'],
    ]);
  });
});
