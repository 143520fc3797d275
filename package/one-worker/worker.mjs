import { Hono } from 'hono';
import { routePartykitRequest, Server } from 'partyserver';
import { guard } from 'portcullis/worker';

export { Ledger, OneTime, Registry, RouteQuota } from 'portcullis/worker';

/** One object per room: everybody in it hears what anybody says, and who said it. */
export class Room extends Server {
  onConnect(connection, { request }) {
    const user = decodeURIComponent(request.headers.get('Portcullis-Subject'));
    connection.setState({ user });
  }

  onMessage(connection, text) {
    this.broadcast(`${connection.state.user}: ${text}`);
  }
}

const app = new Hono();
app.get('/', (c) => c.text('Rooms are at /parties/room/NAME.'));
app.all('/parties/*', async (c) => (await routePartykitRequest(c.req.raw, c.env)) ?? c.notFound());

export default guard(app);
