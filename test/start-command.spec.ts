import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';

const startOfPackage = () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } };
  return scripts.start.replace(/^exec /, '').split(' ');
};

const startOfImage = () => {
  const [, command = ''] = /^CMD (\[.*\])$/m.exec(readFileSync('Dockerfile', 'utf8')) ?? [];
  return JSON.parse(command) as string[];
};

it('the image starts the gateway with the same flags as npm start', () => {
  expect(startOfPackage()).toContain('dist/main.js');
  expect(startOfImage()).toEqual(startOfPackage());
});
