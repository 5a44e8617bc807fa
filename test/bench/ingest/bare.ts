import { fastify } from 'fastify';

/** A fastify server that answers every POST with 202 and stores nothing: the least that any API of it costs. Its argument: the port. */
const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/webhooks/:name', (_request, reply) => reply.code(202).send('{"ok":true}'));
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' });
