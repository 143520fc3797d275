//! What of an upstream's answer counts.

use portcullis::checks::handshake::Handshake;
use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{Authenticated, Credential, Source};
use portcullis::upstream::{Offer, Reply, UpstreamFailure};

use crate::common::{Ask, NONCE, assert_rows, strings};

fn offer(protocols: &[&str], with_bearer: bool) -> Offer {
    let mut all = strings(protocols);
    let mut authenticated = Authenticated::default();
    if with_bearer {
        all.splice(..0, strings(&["bearer", "t"]));
        authenticated = Authenticated {
            identity: None,
            token: None,
            credential: Credential::find(&[Source::Subprotocol], &Ask::upgrade().request(), &all)
                .expect("one token"),
        };
    }
    let handshake = Handshake {
        key: NONCE,
        protocols: all,
        knows_the_gate: false,
        extensions: strings(&["permessage-deflate"]),
    };
    Offer::new(handshake, &authenticated)
}

#[test]
fn a_client_that_knows_the_gate_is_always_answered_with_a_subprotocol() {
    let answer = |protocols: &[&str], chosen: Option<&str>| {
        let handshake = Handshake {
            key: NONCE,
            protocols: strings(protocols),
            knows_the_gate: true,
            extensions: Vec::new(),
        };
        let reply = Reply {
            status: 101,
            has_socket: true,
            protocol: chosen.map(str::to_owned),
            extensions: None,
        };
        reply.judge(&Offer::new(handshake, &Authenticated::default()))
    };
    let told = |protocol: &str| Ok(Some(protocol.to_owned()));
    assert_rows([
        ("none offered", answer(&[], None), told("portcullis")),
        ("none chosen", answer(&["chat"], None), told("portcullis")),
        ("one chosen", answer(&["chat"], Some("chat")), told("chat")),
    ]);
}

#[test]
fn only_a_101_that_chose_what_was_offered_is_accepted() {
    let reply = |protocol: Option<&str>, extensions: Option<&str>| Reply {
        status: 101,
        has_socket: true,
        protocol: protocol.map(str::to_owned),
        extensions: extensions.map(str::to_owned),
    };
    let status = |status, has_socket| Reply {
        status,
        has_socket,
        ..reply(None, None)
    };
    let refused = |cause: &str| -> Result<Option<String>, Rejection> {
        Err(Reason::UpstreamRefused.because(cause.to_owned()))
    };
    let chose = |protocol: &str| Ok(Some(protocol.to_owned()));
    let protocol = "the upstream chose a subprotocol that was not offered";
    let extension = "the upstream chose an extension that was not offered";
    let (none, two) = (offer(&[], false), offer(&["chat", "v2"], false));
    let (only_bearer, bearer) = (offer(&[], true), offer(&["chat"], true));
    let deflate = "permessage-deflate; server_no_context_takeover";
    assert_rows([
        (
            "nothing offered or chosen",
            reply(None, None).judge(&none),
            Ok(None),
        ),
        (
            "the first",
            reply(Some("chat"), None).judge(&two),
            chose("chat"),
        ),
        (
            "the second",
            reply(Some("v2"), None).judge(&two),
            chose("v2"),
        ),
        (
            "offered, none chosen",
            reply(None, None).judge(&two),
            Ok(None),
        ),
        (
            "bearer alone, none chosen",
            reply(None, None).judge(&only_bearer),
            chose("bearer"),
        ),
        (
            "bearer and another, none chosen",
            reply(None, None).judge(&bearer),
            chose("bearer"),
        ),
        (
            "bearer and another, chosen",
            reply(Some("chat"), None).judge(&bearer),
            chose("chat"),
        ),
        (
            "bearer itself",
            reply(Some("bearer"), None).judge(&bearer),
            refused(protocol),
        ),
        (
            "the token",
            reply(Some("t"), None).judge(&bearer),
            refused(protocol),
        ),
        (
            "not offered",
            reply(Some("x"), None).judge(&two),
            refused(protocol),
        ),
        (
            "none offered",
            reply(Some("chat"), None).judge(&none),
            refused(protocol),
        ),
        (
            "other case",
            reply(Some("Chat"), None).judge(&two),
            refused(protocol),
        ),
        (
            "two at once",
            reply(Some("chat, v2"), None).judge(&two),
            refused(protocol),
        ),
        (
            "empty",
            reply(Some(""), None).judge(&two),
            refused(protocol),
        ),
        (
            "extension",
            reply(None, Some(deflate)).judge(&none),
            Ok(None),
        ),
        (
            "other extension",
            reply(None, Some("x-foo")).judge(&none),
            refused(extension),
        ),
        (
            "both",
            reply(None, Some("permessage-deflate, x-foo")).judge(&none),
            refused(extension),
        ),
        (
            "malformed extension",
            reply(None, Some("a b")).judge(&none),
            refused(extension),
        ),
        (
            "200",
            status(200, false).judge(&none),
            refused("the upstream answered 200"),
        ),
        (
            "302",
            status(302, false).judge(&none),
            refused("the upstream answered 302"),
        ),
        (
            "401",
            status(401, false).judge(&none),
            refused("the upstream answered 401"),
        ),
        (
            "500",
            status(500, false).judge(&none),
            refused("the upstream answered 500"),
        ),
        (
            "101 without a socket",
            status(101, false).judge(&none),
            refused("the upstream answered 101"),
        ),
        (
            "200 with a socket",
            status(200, true).judge(&none),
            refused("the upstream answered 200"),
        ),
    ]);
}

#[test]
fn no_answer_is_a_time_out_or_an_unreachable_server() {
    assert_rows([
        (
            "timed out",
            Rejection::from(UpstreamFailure::TimedOut),
            Reason::UpstreamTimeout.because("no answer in time"),
        ),
        (
            "unreachable",
            Rejection::from(UpstreamFailure::Unreachable("refused".into())),
            Reason::UpstreamUnreachable.because("refused"),
        ),
    ]);
}
