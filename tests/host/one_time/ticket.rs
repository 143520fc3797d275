//! Tickets: their form, what they stand for, and for whom.

use portcullis::one_time::ticket::{Binding, Bounds, Grant, Ticket};
use portcullis::request::address::{ClientAddress, Ipv6Prefix};
use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{Identity, Source, TokenDigest, TrustDomain};
use portcullis::util::time::Timestamp;

use crate::common::{Ask, assert_rows, object, seconds, strings};

const BYTES: [u8; 32] = *b"thirty-two bytes, nobody guesses";
const TEXT: &str = "dGhpcnR5LXR3byBieXRlcywgbm9ib2R5IGd1ZXNzZXM";

fn ticket() -> Ticket {
    Ticket::from_random(BYTES)
}

fn find(query: &str) -> Result<Option<Ticket>, Rejection> {
    let ask = Ask::upgrade().url(&format!("https://gate.example/chat{query}"));
    Ticket::find(&ask.request())
}

#[test]
fn a_ticket_is_found_in_its_one_form() {
    let malformed = || Err(Reason::TokenInvalid.because("the ticket is malformed"));
    let other = TEXT.replace('d', "e");
    let rows = [
        ("no query", String::new(), Ok(None)),
        ("other parameters", "?tickets=1&Ticket=2".into(), Ok(None)),
        ("a ticket", format!("?ticket={TEXT}"), Ok(Some(ticket()))),
        (
            "among others",
            format!("?a&ticket={TEXT}&b=1"),
            Ok(Some(ticket())),
        ),
        (
            "its name escaped",
            format!("?%74icket={TEXT}"),
            Ok(Some(ticket())),
        ),
        (
            "the same twice",
            format!("?ticket={TEXT}&ticket={TEXT}"),
            Ok(Some(ticket())),
        ),
        (
            "two",
            format!("?ticket={TEXT}&ticket={other}"),
            Err(Reason::AmbiguousToken.because("two different tickets")),
        ),
        ("none in it", "?ticket=".into(), malformed()),
        ("no value", "?ticket".into(), malformed()),
        ("too short", format!("?ticket={}", &TEXT[1..]), malformed()),
        ("too long", format!("?ticket={TEXT}AA"), malformed()),
        (
            "very long",
            format!("?ticket={}", "A".repeat(100_000)),
            malformed(),
        ),
        ("padded", format!("?ticket={TEXT}="), malformed()),
        (
            "spare bits",
            format!("?ticket={}N", &TEXT[..42]),
            malformed(),
        ),
        (
            "standard base64",
            format!("?ticket={}%2B", &TEXT[..42]),
            malformed(),
        ),
        ("a token", "?ticket=a.b.c".into(), malformed()),
    ];
    assert_rows(rows.map(|(name, query, expected)| (name, find(&query), expected)));
}

#[test]
fn the_text_and_the_name_are_unchanged() {
    assert_eq!(ticket().text(), TEXT);
    let name = "ticket 643d7a3ee90986d7378fbe29e79ec56becef92cf3b6593379c5779e1e598f0e6";
    assert_eq!(ticket().name(), name);
    assert_eq!(
        ticket().answer(seconds(15) - seconds(1) / 1000),
        format!(r#"{{"ticket":"{TEXT}","expires_in":14}}"#)
    );
}

#[test]
fn a_ticket_is_not_printed() {
    assert_eq!(format!("{:?}", ticket()), "Ticket(REDACTED)");
    let credential = ticket().credential();
    assert_eq!(credential.found, [Source::Query("ticket".into())]);
    assert!(!format!("{credential:?}").contains(TEXT));
}

fn grant() -> Grant {
    Grant {
        identity: Identity {
            subject: Some("ada".into()),
            scopes: strings(&["chat", "read"]),
            claims: object(r#"{"sub":"ada","rooms":[7,"x"]}"#),
            expires: Timestamp(1_800_000_060_000),
            session: Some("s-1".into()),
            domain: TrustDomain::KeySource("k-1".into()),
        },
        alg: Some("ES256".into()),
        kid: None,
        token: TokenDigest::of("t"),
    }
}

fn bounds(address: &str, origin: Option<&str>, route: &str) -> Bounds {
    Bounds {
        address: ClientAddress::parse(Some(address)).key(Ipv6Prefix::default()),
        origin: origin.map(str::to_owned),
        route: route.to_owned(),
        rules: "rules".into(),
    }
}

const ALL: Binding = Binding {
    address: true,
    origin: true,
    route: true,
};

fn issued() -> Bounds {
    bounds("2001:db8::1", Some("https://app.example"), "/rooms/{room}")
}

const STORED: &str = concat!(
    r#"{"address":"2001:db8::/64","origin":"https://app.example","route":"/rooms/{room}","#,
    r#""subject":"ada","session":"s-1","domain":{"key_source":"k-1"},"#,
    r#""scopes":["chat","read"],"claims":{"rooms":[7,"x"],"sub":"ada"},"#,
    r#""expires":1800000060000,"alg":"ES256","kid":null,"token":"0cef713d6d147d02fcf74c3d1baf9059"}"#
);

#[test]
fn what_is_stored_is_unchanged() {
    assert_eq!(grant().store(issued(), ALL), STORED);
    assert_eq!(Grant::redeem(STORED, &issued(), ALL), Ok(grant()));
}

#[test]
fn a_ticket_is_good_for_whom_it_was_issued_to() {
    let origin = Some("https://app.example");
    let route = "/rooms/{room}";
    let unusable = |cause: &'static str| Err(Reason::TokenUnusable.because(cause));
    let another_address = "the ticket was issued to another address";
    let another_origin = "the ticket was issued to another origin";
    let rows = [
        ("the same", issued(), Ok(grant())),
        (
            "the same /64",
            bounds("2001:db8::2", origin, route),
            Ok(grant()),
        ),
        (
            "another /64",
            bounds("2001:db8:0:1::1", origin, route),
            unusable(another_address),
        ),
        (
            "IPv4",
            bounds("192.0.2.1", origin, route),
            unusable(another_address),
        ),
        (
            "no address",
            bounds("", origin, route),
            unusable(another_address),
        ),
        (
            "another origin",
            bounds("2001:db8::1", Some("https://app2.example"), route),
            unusable(another_origin),
        ),
        (
            "no origin",
            bounds("2001:db8::1", None, route),
            unusable(another_origin),
        ),
        (
            "another route",
            bounds("2001:db8::1", origin, "/rooms/{other}"),
            unusable("the ticket was issued for another route"),
        ),
    ];
    assert_rows(
        rows.map(|(name, bounds, expected)| (name, Grant::redeem(STORED, &bounds, ALL), expected)),
    );
}

#[test]
fn what_is_not_ours_stands_for_nothing() {
    let foreign = [
        String::new(),
        "{}".into(),
        STORED.replace("\"kid\":null", "\"kid\":7"),
        STORED.replace("\"kid\":null", "\"kid\":null,\"more\":1"),
        STORED.replace("\"scopes\":[\"chat\",\"read\"],", ""),
    ];
    assert_rows(foreign.map(|text| {
        let expected =
            Reason::TokenUnusable.because("the stored grant of the ticket can't be read");
        let found = Grant::redeem(&text, &issued(), ALL);
        (text, found, Err(expected))
    }));
}

#[test]
fn only_the_bounds_of_the_setting_count() {
    let elsewhere = bounds("192.0.2.1", Some("https://app2.example"), "/other");
    let binding = |address, origin, route| Binding {
        address,
        origin,
        route,
    };
    let redeemed = |binding| Grant::redeem(STORED, &elsewhere, binding);
    let unusable = |cause: &'static str| Err(Reason::TokenUnusable.because(cause));
    let free = binding(false, false, false);
    let stored = grant().store(issued(), free);
    let under = |rules: &str| {
        let rules = rules.to_owned();
        let bounds = Bounds {
            rules,
            ..elsewhere.clone()
        };
        Grant::redeem(&stored, &bounds, free)
    };
    assert_rows([
        ("none", under("rules"), Ok(grant())),
        (
            "none, where other tokens are accepted",
            under("others"),
            unusable("the ticket was issued for another route"),
        ),
        (
            "none, but issued for its route alone",
            redeemed(free),
            unusable("the ticket was issued for another route"),
        ),
        (
            "address",
            redeemed(binding(true, false, false)),
            unusable("the ticket was issued to another address"),
        ),
        (
            "origin",
            redeemed(binding(false, true, false)),
            unusable("the ticket was issued to another origin"),
        ),
        (
            "route",
            Grant::redeem(&stored, &elsewhere, binding(false, false, true)),
            unusable("the ticket was issued for another route"),
        ),
    ]);
}
