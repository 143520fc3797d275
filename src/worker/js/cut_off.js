/**
 * Cuts off a client or server that does not answer a close: nothing else ends its request. The
 * runtime logs an abort as an uncaught exception, except where `retryable` marks a lost connection.
 * @param {ExecutionContext} context the request's
 * @param {string} why
 */
export function cutOff(context, why) {
  context.abort(Object.assign(new Error(why), { retryable: true }));
}
