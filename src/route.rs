//! Where a request goes: to an endpoint of the gate's own, or to an upstream.

use percent_encoding::percent_decode_str;

use crate::request::Request;

const PREFIX: &str = "/_portcullis";
/// Without routes every path goes to the one upstream.
const EVERYTHING: &str = "/*";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Endpoint(Endpoint),
    Upstream {
        pattern: &'static str,
    },
    /// Under the gate's prefix, but nothing it knows: never an upstream's.
    Nowhere,
}

impl Route {
    pub fn find(request: &Request<'_>) -> Self {
        if request.url.path == "/_portcullis/health" && request.is_plain_read() {
            return Self::Endpoint(Endpoint::Health);
        }
        // Decoded, since an upstream may decode what it gets.
        let path = percent_decode_str(request.url.path).decode_utf8_lossy();
        match path.strip_prefix(PREFIX) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Nowhere,
            _ => Self::Upstream {
                pattern: EVERYTHING,
            },
        }
    }
}
