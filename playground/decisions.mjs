// Puts together what is known of each attempt: the gate's decision record, and its answer as
// the witness in front of it saw it. Both come as log lines, in either order.

const KEPT = 100;

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/**
 * A reader of log lines. `onDecision` gets `{ attempt, record, answer }` once both are there,
 * `onOther` every line that is neither.
 */
export function readDecisions(onDecision, onOther) {
  const halves = new Map();

  function join(id, half) {
    const decision = { ...halves.get(id), ...half };
    halves.delete(id);
    if (decision.record && decision.answer) {
      onDecision(decision);
      return;
    }
    halves.set(id, decision);
    // A request that is no attempt has an answer and no record.
    if (halves.size > KEPT) halves.delete(halves.keys().next().value);
  }

  return ({ level, message }) => {
    const line = parse(message);
    if (line?.witness) {
      const { attempt, status, headers, body } = line.witness;
      const id = headers.find(([name]) => name === 'portcullis-request-id')?.[1];
      join(id, { attempt, answer: { status, headers, body: parse(body) ?? null } });
    } else if (line?.request_id && line.outcome) {
      join(line.request_id, { record: line });
    } else {
      onOther({ level, message });
    }
  };
}
