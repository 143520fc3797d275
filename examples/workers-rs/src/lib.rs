//! A Worker in Rust with sockets of its own, and the gate's checks in front of them: transport,
//! handshake, origin, token and permission. There are no counters, so no Durable Objects are needed.

mod gate;

use futures_util::StreamExt;
use portcullis::response::answer::refusal;
use worker::{Context, Env, Request, Response, Result, WebSocketPair, WebsocketEvent, event};

use gate::Admitted;

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    match gate::check(&request, &env).await {
        Ok(admitted) => open(admitted),
        Err(rejection) => {
            worker::console_log!("refused: {}", rejection.cause);
            let id = request.headers().get("cf-ray")?.unwrap_or_default();
            let refusal = refusal(&rejection.reason, &id);
            let mut response = Response::ok(refusal.body)?.with_status(refusal.status);
            for (name, value) in refusal.headers {
                response.headers_mut().set(name, &value)?;
            }
            Ok(response)
        }
    }
}

/// Opens a socket that greets its user and repeats what it hears.
fn open(admitted: Admitted) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    let server = pair.server;
    server.accept()?;
    worker::wasm_bindgen_futures::spawn_local(async move {
        let Ok(mut events) = server.events() else {
            return;
        };
        let _ = server.send_with_str(format!("hello {}", admitted.subject));
        while let Some(Ok(WebsocketEvent::Message(message))) = events.next().await {
            if let Some(text) = message.text() {
                let _ = server.send_with_str(text);
            }
        }
    });
    let mut response = Response::from_websocket(pair.client)?;
    if let Some(protocol) = admitted.protocol {
        response
            .headers_mut()
            .set("Sec-WebSocket-Protocol", &protocol)?;
    }
    Ok(response)
}
