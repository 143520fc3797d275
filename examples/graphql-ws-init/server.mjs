// Answers a query with the user's name, and counts down for subscribers.
import { createServer } from 'node:http';
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const me = { type: GraphQLString, resolve: (root, args, { user }) => user };
const countdown = {
  type: GraphQLString,
  async *subscribe() {
    for (const word of ['three', 'two', 'one']) yield { countdown: word };
  },
};
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { me } }),
  subscription: new GraphQLObjectType({ name: 'Subscription', fields: { countdown } }),
});

/** The context of each operation: who sent it. */
const context = ({ extra }) => ({
  user: decodeURIComponent(extra.request.headers['portcullis-subject']),
});

const server = createServer();
useServer({ schema, context }, new WebSocketServer({ server, path: '/graphql' }));

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
