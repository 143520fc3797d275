/** Connects as Home Assistant's own client does: it waits for `auth_required` before it says more. */
export function connect(url, getToken) {
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    socket.onclose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`));
    socket.onmessage = async ({ data }) => {
      const { type } = JSON.parse(data);
      if (type === 'auth_required') {
        socket.send(JSON.stringify({ type: 'auth', access_token: await getToken() }));
      } else if (type === 'auth_ok') {
        resolve(socket);
      }
    };
  });
}
