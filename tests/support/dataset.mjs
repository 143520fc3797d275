// The gate with a dataset that logs what it is given: no binding that Miniflare has tells it.
import { MODULES } from '../../tools/gate.mjs';
import { inRoot } from '../../tools/run.mjs';

const WITH_DATASET = `
  import gate from './main.js';
  export { Ledger, OneTime, Registry, RouteQuota } from './main.js';
  const DECISIONS = { writeDataPoint: (point) => console.log('point ' + JSON.stringify(point)) };
  export default {
    fetch: (request, env, context) => gate.fetch(request, { ...env, DECISIONS }, context),
  };`;

/** `modules` of such a gate, and `pointOf` and `pointsOf` to find what it wrote of some requests. */
export function recordingDataset() {
  const pointOf = (gate, id) =>
    gate.log.find(({ message }) => {
      const point = message.startsWith('point ') && JSON.parse(message.slice('point '.length));
      return point && point.blobs[1] === id && point;
    }, `a data point of ${id}`);
  return {
    modules: [
      { type: 'ESModule', path: inRoot('build', 'dataset.js'), contents: WITH_DATASET },
      ...MODULES,
    ],
    pointOf,
    pointsOf: (gate, ids) => Promise.all(ids.map((id) => pointOf(gate, id))),
  };
}
