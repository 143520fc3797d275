//! What is legal in a policy and still worth a line in the log.

use super::first_message;
use super::reader::Reader;
use super::settings::{
    ADMIN_TOKEN, ALLOWED_ORIGINS, AUTH, ISSUERS, JWT_AUDIENCE, JWT_ISSUER, MODE, PLAIN_HTTP,
    RATE_LIMIT_IP, RELAY, REQUIRE_TLS, TOKEN_SOURCES,
};
use crate::checks::origin::OriginPattern;
use crate::policy::{Mode, PlainHttp, Policy};
use crate::relay::RelayMode;
use crate::token::{Issuer, Source};

pub(super) fn check(reader: &mut Reader<'_>, policy: &Policy) {
    if policy.origins.allowed.contains(&OriginPattern::Any) {
        reader.warn(
            &ALLOWED_ORIGINS,
            "* lets the pages of any site open sockets with the cookies of its visitors",
        );
    }
    if !policy.require_tls {
        reader.warn(
            &REQUIRE_TLS,
            "off, so tokens and messages may cross networks unencrypted",
        );
    }
    if policy.counting.address.limits.quota.is_none() {
        reader.warn(
            &RATE_LIMIT_IP,
            "off, so an address may make any number of attempts",
        );
    }
    match policy.mode {
        Mode::Enforce => {}
        Mode::Report => reader.warn(&MODE, "report, so nobody is refused"),
        Mode::Canary(_) => reader.warn(&MODE, "a share, so other addresses are not refused"),
    }
    if policy.plain_http == PlainHttp::Proxy {
        reader.warn(
            &PLAIN_HTTP,
            "proxy, so requests that are not upgrades reach the server without a check",
        );
    }
    if reader.has(&ADMIN_TOKEN) && matches!(policy.relay, RelayMode::Passthrough) {
        reader.warn(
            &RELAY,
            "passthrough, so open sockets are not listed, and outlive a revocation and a ban; set \
             it to inspect",
        );
    }
    first_message::warn_of_unused(reader, policy);
    let Some(authentication) = &policy.authentication else {
        reader.warn(&AUTH, "off, so nobody needs a token");
        return;
    };
    let is_query = |source: &Source| matches!(source, Source::Query(_));
    if authentication.sources.iter().any(is_query) {
        reader.warn(
            &TOKEN_SOURCES,
            "a token in the query is written to logs and histories; prefer one-time tickets",
        );
    }
    let takes_any =
        |issuer: &Issuer| issuer.keys.remote.is_some() && issuer.expectations.audiences.is_empty();
    if authentication.issuers.iter().any(takes_any) {
        let setting = if reader.has(&ISSUERS) {
            &ISSUERS
        } else {
            &JWT_AUDIENCE
        };
        reader.warn(
            setting,
            "any, so tokens that the provider issued for other services open sockets here",
        );
    }
    let mut issuers = authentication.issuers.iter();
    let accepted: usize = issuers
        .by_ref()
        .map(|issuer| issuer.expectations.issuers.len())
        .sum();
    if accepted > 1 && policy.assertion_key.is_none() {
        let setting = if reader.has(&ISSUERS) {
            &ISSUERS
        } else {
            &JWT_ISSUER
        };
        reader.warn(
            setting,
            "two issuers may have users with the same sub; let your server read Portcullis-Issuer \
             together with Portcullis-Subject, or the sub_id of an assertion (ASSERTION_KEY)",
        );
    }
}
