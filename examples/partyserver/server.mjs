// One object per room: everybody in it hears what anybody says, and who said it.
import { Server } from 'partyserver';

export class Room extends Server {
  static options = { hibernate: true };

  onConnect(connection, { request }) {
    const user = decodeURIComponent(request.headers.get('Portcullis-Subject'));
    connection.setState({ user });
  }

  onMessage(connection, text) {
    this.broadcast(`${connection.state.user}: ${text}`);
  }
}

// The gate asks the objects themselves; nothing else gets an answer from this Worker.
export default { fetch: () => new Response(null, { status: 404 }) };
