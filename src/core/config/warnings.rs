//! What is legal in a policy and still worth a line in the log.

use super::reader::Reader;
use super::settings::{
    ALLOWED_ORIGINS, AUTH, ISSUERS, JWT_ISSUER, MODE, RATE_LIMIT_IP, REQUIRE_TLS, TOKEN_SOURCES,
};
use crate::checks::origin::OriginPattern;
use crate::policy::{Mode, Policy};
use crate::token::Source;

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
