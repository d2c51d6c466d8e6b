// A collector of traces that takes whatever comes and keeps nothing.
import { createServer } from 'node:http';

const server = createServer((request, response) => request.resume().on('end', () => response.end()));
server.listen(Number(process.env.PORT), '127.0.0.1');
