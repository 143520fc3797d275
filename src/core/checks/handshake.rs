//! The opening handshake as a Worker sees it (RFC 6455 §4.2.1).

use std::collections::BTreeSet;
use std::fmt;

use base64ct::{Base64, Encoding};

use crate::request::Request;
use crate::request::syntax;
use crate::response::reason::{AllowedMethods, Reason, Rejection};

/// The nonce of a `Sec-WebSocket-Nonce`.
pub type Nonce = [u8; 16];

/// A client that offers this subprotocol and the next one understands heartbeats, and refusals by
/// close codes whatever `REJECT_WITH` is. No server sees the two.
pub const GATE_PROTOCOL: &str = "portcullis";
/// The subprotocol with which the gate answers such a client if it refuses it: its script is told of
/// an open socket before it reads the close code.
pub const REFUSED_PROTOCOL: &str = "portcullis.refused";

/// A well-formed handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake {
    pub key: Nonce,
    /// The subprotocols offered, in the client's order, without those of the gate.
    pub protocols: Vec<String>,
    /// Whether [`GATE_PROTOCOL`] and [`REFUSED_PROTOCOL`] were offered.
    pub knows_the_gate: bool,
    /// The names of the extensions offered.
    pub extensions: Vec<String>,
}

/// Redacted, since a token may be among the subprotocols.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("key", &format_args!("REDACTED"))
            .field("protocols", &format_args!("REDACTED"))
            .field("knows_the_gate", &self.knows_the_gate)
            .field("extensions", &self.extensions)
            .finish()
    }
}

impl Handshake {
    /// Step 4: checks a request that asks for a WebSocket.
    pub fn read(request: &Request<'_>) -> Result<Self, Rejection> {
        let header = |name| request.headers.get(name);
        if request.method != "GET" {
            let allowed = AllowedMethods::Handshake;
            return Err(Reason::MethodNotAllowed { allowed }.because("the method is not GET"));
        }
        // workerd opens no socket for an offer of several protocols, neither as a client nor as a
        // server, so it can't be passed on.
        if !header("upgrade").is_some_and(|offer| offer.eq_ignore_ascii_case("websocket")) {
            return Err(malformed("Upgrade offers more than websocket"));
        }
        if header("sec-websocket-version").as_deref() != Some("13") {
            return Err(Reason::UnsupportedVersion.because("Sec-WebSocket-Version is not 13"));
        }
        let key = header("sec-websocket-key")
            .as_deref()
            .and_then(parse_key)
            .ok_or_else(|| malformed("Sec-WebSocket-Key is not 16 bytes of base64"))?;
        if !header("connection").is_some_and(|value| allows_upgrade(&value)) {
            return Err(malformed("Connection does not name upgrade"));
        }
        let mut protocols = match header("sec-websocket-protocol") {
            Some(value) => parse_protocols(&value).ok_or_else(|| {
                malformed("Sec-WebSocket-Protocol is empty, repeated or malformed")
            })?,
            None => Vec::new(),
        };
        let own = [GATE_PROTOCOL, REFUSED_PROTOCOL];
        let is_own = |offered: &String| own.contains(&offered.as_str());
        let knows_the_gate =
            protocols.iter().filter(|offered| is_own(offered)).count() == own.len();
        if knows_the_gate {
            protocols.retain(|offered| !is_own(offered));
        }
        let extensions = match header("sec-websocket-extensions") {
            Some(value) => syntax::extension_names(&value)
                .ok_or_else(|| malformed("Sec-WebSocket-Extensions is malformed"))?
                .into_iter()
                .map(str::to_owned)
                .collect(),
            None => Vec::new(),
        };
        if header("content-length").is_some_and(|length| length != "0")
            || header("transfer-encoding").is_some()
        {
            return Err(malformed("the request has a body"));
        }
        // No Basic or Bearer credential has a comma. A second header arrives joined by one.
        if header("host").is_some_and(|host| host.contains(','))
            || header("authorization").is_some_and(|credential| is_repeated(&credential))
        {
            return Err(malformed("Host or Authorization is repeated"));
        }
        Ok(Self {
            key,
            protocols,
            knows_the_gate,
            extensions,
        })
    }
}

fn malformed(cause: &'static str) -> Rejection {
    Reason::BadHandshake.because(cause)
}

/// Parses 24 characters of canonical base64. No spare bits may be set, so each nonce has one
/// spelling.
fn parse_key(value: &str) -> Option<Nonce> {
    let mut key = Nonce::default();
    let decoded = Base64::decode(value, &mut key).ok()?;
    (decoded.len() == size_of::<Nonce>()).then_some(key)
}

/// Whether `Connection` allows an upgrade. Cloudflare may replace it with `Keep-Alive` before the
/// Worker sees it.
fn allows_upgrade(connection: &str) -> bool {
    connection.eq_ignore_ascii_case("keep-alive")
        || syntax::elements(connection).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// Parses the offered subprotocols: one or more, each a token and none twice.
fn parse_protocols(value: &str) -> Option<Vec<String>> {
    // A header can name tens of thousands of protocols: a linear search for each takes seconds.
    let mut known = BTreeSet::new();
    let protocols: Option<Vec<_>> = syntax::elements(value)
        .map(|protocol| {
            let is_sound = syntax::is_token(protocol) && known.insert(protocol);
            is_sound.then(|| protocol.to_owned())
        })
        .collect();
    protocols.filter(|protocols| !protocols.is_empty())
}

/// Whether the header arrived twice. Only schemes without commas in their credentials can be told;
/// `Digest` and its like separate parameters by commas.
fn is_repeated(authorization: &str) -> bool {
    let scheme = authorization.split(' ').next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic"))
        && authorization.contains(',')
}
