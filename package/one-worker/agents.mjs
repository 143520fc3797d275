import { Agent, routeAgentRequest } from 'agents';
import { guard } from 'portcullis/worker';

export { Ledger, OneTime, Registry, RouteQuota } from 'portcullis/worker';

/** An agent that counts, and tells everybody who asked last. */
export class Counter extends Agent {
  initialState = { count: 0, by: null };

  onConnect(connection, { request }) {
    connection.setState({ user: decodeURIComponent(request.headers.get('Portcullis-Subject')) });
  }

  onMessage(connection) {
    this.setState({ count: this.state.count + 1, by: connection.state.user });
  }
}

export default guard({
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response('Not found', { status: 404 });
  },
});
