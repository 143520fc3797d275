import { AgentClient } from 'agents/client';
import { PortcullisSocket } from 'portcullis/client';

/** Connects to an agent by its name, with a new token each time. */
export function connect(host, name, getToken, options) {
  return new AgentClient({
    host,
    agent: 'counter',
    name,
    WebSocket: PortcullisSocket.with({ getToken }),
    ...options,
  });
}
