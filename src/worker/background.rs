//! Work after the response.

use worker::Context;

/// Keeps the request's context alive until `work` is done, whether or not the client still waits.
pub fn hold(context: &Context, work: impl Future<Output = ()> + 'static) {
    context.wait_until(work);
}
