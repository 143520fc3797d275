// Keeps a document for each room, and passes on what one of its editors writes to the others.
import { createServer } from 'node:http';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { WebSocketServer } from 'ws';
import * as sync from 'y-protocols/sync';
import { Doc } from 'yjs';

const SYNC = 0;
const rooms = new Map();

/** A room, whose document is told to everybody in it whenever it changes. */
function open(name) {
  const room = { doc: new Doc(), editors: new Set() };
  rooms.set(name, room);
  room.doc.on('update', (update, author) => {
    const message = encoding.createEncoder();
    encoding.writeVarUint(message, SYNC);
    sync.writeUpdate(message, update);
    for (const editor of room.editors) {
      if (editor !== author) editor.send(encoding.toUint8Array(message));
    }
  });
  return room;
}

const server = createServer();
new WebSocketServer({ server }).on('connection', (socket, request) => {
  const name = new URL(request.url, 'ws://server').pathname;
  const room = rooms.get(name) ?? open(name);
  room.editors.add(socket);
  // Asks for what was written while there was no connection; the editor asks likewise.
  const question = encoding.createEncoder();
  encoding.writeVarUint(question, SYNC);
  sync.writeSyncStep1(question, room.doc);
  socket.send(encoding.toUint8Array(question));
  socket.on('close', () => room.editors.delete(socket));
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (data) => {
    const message = decoding.createDecoder(new Uint8Array(data));
    // Others tell where cursors are, and are passed on as they came.
    if (decoding.readVarUint(message) !== SYNC) {
      for (const editor of room.editors) if (editor !== socket) editor.send(data);
      return;
    }
    const answer = encoding.createEncoder();
    encoding.writeVarUint(answer, SYNC);
    sync.readSyncMessage(message, answer, room.doc, socket);
    if (encoding.length(answer) > 1) socket.send(encoding.toUint8Array(answer));
  });
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
