// A Worker in front of the gate, in the playground only: it passes everything through and writes
// down the gate's answers, which a browser keeps from its pages.
export default {
  async fetch(request, env) {
    const answer = await env.GATE.fetch(request);
    const isRefusal = answer.headers.get('content-type') === 'application/problem+json';
    const body = isRefusal ? await answer.clone().text() : null;
    const attempt = new URL(request.url).searchParams.get('attempt');
    const { status, headers } = answer;
    console.log(JSON.stringify({ witness: { attempt, status, headers: [...headers], body } }));
    return answer;
  },
};
