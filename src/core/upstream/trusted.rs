//! The headers that no client may send to a server, since servers trust them.

/// Who may set a header that no client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setter {
    /// The gate alone, or nobody.
    Gate,
    /// `UPSTREAM_HEADERS` as well.
    Operator,
}

use Setter::{Gate, Operator};

/// Headers that are removed from what a client sends: exact names, and prefixes that end in a dash.
/// Names are compared by their letters and digits alone, ignoring case, because some servers turn
/// names into variables that way (RFC 3875 §4.1.18).
pub const TRUSTED_HEADERS: &[(&str, Setter)] = &[
    ("portcullis-", Gate),
    // Who the client is, and what it asked for.
    ("forwarded", Gate),
    ("x-forwarded-for", Gate),
    ("x-forwarded-proto", Gate),
    ("x-forwarded-host", Gate),
    ("x-forwarded-", Operator),
    ("x-real-ip", Gate),
    ("true-client-ip", Gate),
    ("x-client-ip", Gate),
    ("client-ip", Gate),
    ("forwarded-for", Gate),
    ("x-forwarded", Gate),
    ("x-cluster-client-ip", Gate),
    ("x-originating-ip", Gate),
    ("x-remote-ip", Gate),
    ("x-remote-addr", Gate),
    ("remote-addr", Gate),
    // The same, by the names of platforms that set them in front of their own servers.
    ("fastly-client-ip", Gate),
    ("fly-client-ip", Gate),
    ("do-connecting-ip", Gate),
    ("x-azure-clientip", Gate),
    ("x-azure-socketip", Gate),
    ("x-nf-client-connection-ip", Gate),
    ("x-appengine-", Operator),
    ("x-envoy-", Operator),
    ("x-vercel-forwarded-for", Gate),
    ("x-vercel-proxied-for", Gate),
    ("x-vercel-ip-", Operator),
    // Headers that replace the path, host or method that was checked.
    ("x-original-url", Gate),
    ("x-original-uri", Gate),
    ("x-original-host", Gate),
    ("x-original-for", Gate),
    ("x-original-proto", Gate),
    ("x-original-method", Gate),
    ("x-rewrite-url", Gate),
    ("x-override-url", Gate),
    ("script-name", Operator),
    ("x-script-name", Operator),
    ("path-info", Operator),
    // Headers that frameworks use internally.
    ("x-partykit-", Operator),
    ("x-agents-", Operator),
    ("x-cf-agents-", Operator),
    ("x-channels-identity", Operator),
    ("x-middleware-", Operator),
    ("x-invoke-", Operator),
    ("x-matched-path", Operator),
    ("x-now-route-matches", Operator),
    ("x-react-router-spa-mode", Operator),
    ("x-react-router-prerender-data", Operator),
    ("x-astro-locals", Operator),
    ("x-astro-path", Operator),
    ("x-sendfile-type", Operator),
    ("x-accel-mapping", Operator),
    ("ms-aspnetcore-", Operator),
    // Headers about the connection to the gate.
    ("expect", Gate),
    // Names of process variables, for servers that turn headers into variables.
    ("proxy", Operator),
    // Users and certificates that another proxy has verified.
    ("remote-user", Operator),
    ("remote-name", Operator),
    ("remote-email", Operator),
    ("remote-groups", Operator),
    ("x-remote-", Operator),
    ("x-webauth-", Operator),
    ("x-auth-request-", Operator),
    ("x-authentik-", Operator),
    ("x-authenticated-", Operator),
    ("x-pomerium-", Operator),
    ("x-goog-authenticated-user-", Operator),
    ("x-ms-client-principal", Operator),
    ("x-ms-client-principal-", Operator),
    ("x-arr-clientcert", Operator),
    ("client-cert", Operator),
    ("client-cert-chain", Operator),
    // Users for whom the account of whoever asks may act, in Kubernetes.
    ("impersonate-", Operator),
    ("ssl-client-", Operator),
    ("x-ssl-client-", Operator),
];

/// Headers that pass only in their exact spelling, in which Cloudflare sets them or the platform
/// frames the request by them. In any other spelling they could be forged.
pub const EXACT_HEADERS: [&str; 4] = ["cf-", "content-length", "transfer-encoding", "host"];

/// Whether the gate alone sets a header of this name.
pub fn is_gate_header(name: &str) -> bool {
    let folded: String = name.chars().map(fold).collect();
    TRUSTED_HEADERS
        .iter()
        .any(|(known, setter)| *setter == Gate && is_of(&folded, known))
}

/// Whether the gate or Cloudflare sets a header of this name, so that no setting may change it.
pub(super) fn is_the_gates(name: &str) -> bool {
    let folded: String = name.chars().map(fold).collect();
    is_gate_header(name) || EXACT_HEADERS.iter().any(|known| is_of(&folded, known))
}

fn is_of(folded: &str, known: &str) -> bool {
    if known.ends_with('-') {
        folded.starts_with(known)
    } else {
        folded == known
    }
}

fn fold(letter: char) -> char {
    if letter.is_ascii_alphanumeric() {
        letter.to_ascii_lowercase()
    } else {
        '-'
    }
}
