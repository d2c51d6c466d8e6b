// The yardstick: Fastify with one route and nothing around it, in a process of its own. PORT says where it listens.
import fastify from 'fastify';

const server = fastify({ logger: false });
server.get('/', () => ({ hello: 'world' }));
await server.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
