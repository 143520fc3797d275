// Durable Objects of another Worker behind the gate.
import { describe } from '../../tools/gate.mjs';
import { worker } from './gate.mjs';

/** Options of `useGate` that bind this script's class `Room` as ROOMS. */
export const withRooms = (script) => ({
  gate: {
    durableObjects: {
      ...describe().durableObjects,
      ROOMS: { className: 'Room', scriptName: 'rooms' },
    },
  },
  workers: [
    worker('rooms', script, { durableObjects: { ROOMS: { className: 'Room', useSQLite: true } } }),
  ],
});
