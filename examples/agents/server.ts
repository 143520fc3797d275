// One agent per name: it counts, and tells everybody who is connected what the count is and who added last.
import { Agent, callable, getCurrentAgent, type Connection, type ConnectionContext } from 'agents';

type User = { user: string };
type Count = { count: number; by: string | null };

export class Counter extends Agent<object, Count> {
  initialState: Count = { count: 0, by: null };

  onConnect(connection: Connection<User>, { request }: ConnectionContext) {
    const user = decodeURIComponent(request.headers.get('Portcullis-Subject') ?? '');
    connection.setState({ user });
  }

  // Clients may set the state by themselves, unless this throws.
  validateStateChange(next: Count, source: Connection | 'server') {
    if (source !== 'server') throw new Error('call add() instead');
  }

  @callable()
  add(amount: number) {
    const { connection } = getCurrentAgent<Counter>();
    const { user } = connection?.state as User;
    this.setState({ count: this.state.count + amount, by: user });
    return this.state.count;
  }
}

// The gate asks the agents themselves; nothing else gets an answer from this Worker.
export default { fetch: () => new Response(null, { status: 404 }) };
