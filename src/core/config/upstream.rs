//! Where sockets go, and the key that signs the assertion sent there.

use super::reader::Reader;
use super::settings::{
    ASSERTION_KEY, AUTH, ISSUERS, JWT_JWKS, JWT_SECRET, Setting, UPSTREAM_CERTIFICATE,
    UPSTREAM_HEADERS, UPSTREAM_OBJECT, UPSTREAM_PLAINTEXT, UPSTREAM_SERVICE, UPSTREAM_URL, named,
};
use super::{Var, values};
use crate::token::Authentication;
use crate::upstream::assertion::AssertionKey;
use crate::upstream::{ObjectUpstream, Upstream, UpstreamHeaders, UpstreamUrl};

/// Exactly one of these is set.
pub(super) const UPSTREAMS: [&Setting; 3] = [&UPSTREAM_URL, &UPSTREAM_SERVICE, &UPSTREAM_OBJECT];

/// `None` where there is an error.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Upstream> {
    let plaintext_is_allowed = reader.or_default(&UPSTREAM_PLAINTEXT, values::boolean);
    let service = reader.text(&UPSTREAM_SERVICE).map(str::to_owned);
    if let Some(name) = &service
        && !reader.is_bound(name)
    {
        reader.error(
            &UPSTREAM_SERVICE,
            format!("there is no service binding {name:?}; add it under [[services]]"),
        );
    }
    let object = reader.parse(&UPSTREAM_OBJECT, ObjectUpstream::parse);
    if let Some(object) = &object
        && !reader.is_bound(&object.binding)
    {
        reader.error(
            &UPSTREAM_OBJECT,
            format!(
                "there is no namespace binding {:?}; add it under [[durable_objects.bindings]]",
                object.binding
            ),
        );
    }
    let url = reader.parse_by(&UPSTREAM_URL, &[&UPSTREAM_PLAINTEXT], |text| {
        UpstreamUrl::parse(text, plaintext_is_allowed)
    });
    if plaintext_is_allowed {
        reader.warn(
            &UPSTREAM_PLAINTEXT,
            "identities and messages may reach the server unencrypted",
        );
    }
    let certificate = read_certificate(reader, url.as_ref());
    if !UPSTREAMS.iter().any(|setting| reader.has(setting)) {
        reader.missing(
            &UPSTREAM_URL,
            &UPSTREAMS,
            "it must be set, or UPSTREAM_SERVICE or UPSTREAM_OBJECT; write the server's URL, like \
             \"wss://chat.example.com\"",
        );
    }
    let is_sound = |setting: &&'static Setting| reader.has(setting) && !reader.has_error(setting);
    let sound: Vec<_> = UPSTREAMS.into_iter().filter(is_sound).collect();
    for other in sound.iter().skip(1) {
        let first = sound[0];
        let problem = format!("{} is set as well; keep one of them", first.name());
        reader.contradiction(other, &[first], problem);
    }
    let url = url.map(|mut url| {
        url.certificate = certificate;
        Upstream::Url(url)
    });
    let service = service.map(Upstream::Service);
    url.or(service).or(object.map(Upstream::Object))
}

/// The binding of a client certificate, which only a server behind TLS can ask for.
fn read_certificate(reader: &mut Reader<'_>, url: Option<&UpstreamUrl>) -> Option<String> {
    let name = reader.text(&UPSTREAM_CERTIFICATE)?;
    if !reader.is_bound(name) {
        reader.error(
            &UPSTREAM_CERTIFICATE,
            format!("there is no certificate binding {name:?}; add it under [[mtls_certificates]]"),
        );
    }
    if let Some(other) = [&UPSTREAM_SERVICE, &UPSTREAM_OBJECT]
        .into_iter()
        .find(|other| reader.has(other))
    {
        let problem = format!(
            "{} is set, and only a server that UPSTREAM_URL names is shown a certificate; remove \
             one of the two",
            other.name()
        );
        reader.contradiction(&UPSTREAM_CERTIFICATE, &[other], problem);
    }
    if url.is_some_and(|url| !url.is_encrypted()) {
        reader.contradiction(
            &UPSTREAM_CERTIFICATE,
            &[&UPSTREAM_URL],
            "UPSTREAM_URL is not encrypted, so no certificate is shown; write wss:// or https:// \
             there, or remove this",
        );
    }
    Some(name.to_owned())
}

/// `UPSTREAM_HEADERS`, with the secrets that it names.
pub(super) fn read_headers(reader: &mut Reader<'_>, auth_is_off: bool) -> UpstreamHeaders {
    let setting = &UPSTREAM_HEADERS;
    let Some(changes) = reader.object(setting) else {
        return UpstreamHeaders::default();
    };
    let secret = |name: &str| {
        if named(name).is_some() {
            return Err(format!(
                "{name} is a setting of the gate, which no server may see; put the value into a \
                 secret of another name"
            ));
        }
        match reader.variable(name) {
            Some(Var::Text(text)) => Ok(text.clone()),
            Some(Var::Json(_)) => Err(format!("the secret {name} is not a text")),
            None => Err(format!(
                "there is no secret {name}; set it with npx wrangler secret put {name}"
            )),
        }
    };
    let headers = match UpstreamHeaders::with(&changes, secret) {
        Ok(headers) => headers,
        Err(problems) => {
            for problem in problems {
                reader.error(setting, problem);
            }
            return UpstreamHeaders::default();
        }
    };
    if auth_is_off && let Some(placeholder) = headers.needs_a_token() {
        let problem = format!(
            "AUTH is off, so nobody has {placeholder}; give it a default, like \
             {placeholder_with_default}, or set AUTH to required",
            placeholder_with_default = placeholder.replace('}', "|none}")
        );
        reader.contradiction(setting, &[&AUTH], problem);
    }
    if auth_is_off && headers.hold_a_secret() {
        reader.warn(
            setting,
            "AUTH is off, so anyone uses the secrets that are sent to the server",
        );
    }
    headers
}

pub(super) fn read_assertion_key(
    reader: &mut Reader<'_>,
    authentication: Option<&Authentication>,
) -> Option<AssertionKey> {
    let jwk = reader.object(&ASSERTION_KEY)?;
    let key = AssertionKey::from_jwk(&jwk)
        .map_err(|problem| reader.error(&ASSERTION_KEY, problem))
        .ok()?;
    let mut issuers = authentication.iter().flat_map(|own| &own.issuers);
    if issuers.any(|issuer| key.is_among(&issuer.keys.fixed)) {
        reader.contradiction(
            &ASSERTION_KEY,
            &[&JWT_SECRET, &JWT_JWKS, &ISSUERS],
            "tokens are verified with this key too, so that an assertion would pass for a token; \
             give it a key of its own",
        );
    }
    Some(key)
}
