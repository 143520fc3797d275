//! What an administrator's requests say.

use portcullis::admin::{Command, Filter, Target};
use portcullis::registry::{About, Claim, RegistryKey};
use portcullis::request::address::{ClientAddress, Ipv6Prefix};
use portcullis::response::reason::Reason;
use portcullis::util::time::Timestamp;

use crate::common::{Ask, NOW, assert_rows, seconds, strings};

/// What a request says, or the detail of what is wrong with it.
fn read(method: &'static str, path: &str, body: &str) -> Result<Command, String> {
    let ask = Ask::plain(
        method,
        &format!("https://gate.example/_portcullis/admin/{path}"),
    );
    Command::read(&ask.request(), body, Ipv6Prefix::default(), NOW).map_err(|refused| match refused
        .reason
    {
        Reason::BadRequest { detail } => detail,
        Reason::MethodNotAllowed { allowed } => format!("only {}", allowed.list()),
        other => other.name().to_owned(),
    })
}

fn of_address(text: &str) -> Target {
    let address = ClientAddress::parse(Some(text));
    Target::Address {
        address,
        key: address.key(Ipv6Prefix::default()),
    }
}

#[test]
fn sockets_are_named_by_one_thing() {
    let list = |filter| Ok(Command::List(Some(filter)));
    let sub = |text: &str| Filter::Of(Target::Subject(text.to_owned()));
    let wrong = |text: &str| Err(text.to_owned());
    assert_rows([
        ("all", read("GET", "sockets", ""), Ok(Command::List(None))),
        ("HEAD", read("HEAD", "sockets", ""), Ok(Command::List(None))),
        (
            "sub",
            read("GET", "sockets?sub=a%20b%2Fc", ""),
            list(sub("a b/c")),
        ),
        (
            "ip",
            read("GET", "sockets?ip=192.0.2.7", ""),
            list(Filter::Of(of_address("192.0.2.7"))),
        ),
        (
            "IPv6",
            read("GET", "sockets?ip=2001:db8::1", ""),
            list(Filter::Of(of_address("2001:db8::1"))),
        ),
        (
            "a plus sign, which is a space",
            read("GET", "sockets?sub=a+b%2B", ""),
            list(sub("a b+")),
        ),
        (
            "no UTF-8",
            read("DELETE", "sockets?sub=%FF", ""),
            wrong("the query has percent-encoding that is not UTF-8"),
        ),
        (
            "a percent sign alone",
            read("DELETE", "sockets?sub=100%", ""),
            wrong("the query has a percent sign without two hexadecimal digits after it"),
        ),
        (
            "a malformed name",
            read("DELETE", "sockets?%zz=a", ""),
            wrong("the query has a percent sign without two hexadecimal digits after it"),
        ),
        (
            "its network",
            read("GET", "sockets?ip=2001:db8::/64", ""),
            list(Filter::Of(of_address("2001:db8::"))),
        ),
        (
            "id",
            read("GET", "sockets?id=0f", ""),
            list(Filter::Id("0f".into())),
        ),
        (
            "closing",
            read("DELETE", "sockets?sub=a", ""),
            Ok(Command::Disconnect(sub("a"))),
        ),
        (
            "closing all",
            read("DELETE", "sockets", ""),
            wrong("name the sockets: one of sub, ip and id in the query"),
        ),
        (
            "two",
            read("DELETE", "sockets?sub=a&ip=192.0.2.7", ""),
            wrong("write one of sub, ip and id"),
        ),
        (
            "twice",
            read("GET", "sockets?sub=a&sub=b", ""),
            wrong("\"sub\" stands twice in the query"),
        ),
        (
            "empty",
            read("DELETE", "sockets?sub=", ""),
            wrong("\"sub\" in the query has no value"),
        ),
        (
            "unknown",
            read("GET", "sockets?user=a", ""),
            wrong("\"user\" in the query is not known here"),
        ),
        (
            "no address",
            read("GET", "sockets?ip=a", ""),
            wrong("ip: \"a\" is no IP address"),
        ),
        (
            "another network",
            read("GET", "sockets?ip=2001:db8::1/64", ""),
            wrong("ip: \"2001:db8::1/64\" is no IP address"),
        ),
        (
            "POST",
            read("POST", "sockets", ""),
            wrong("only GET, HEAD, DELETE"),
        ),
        ("elsewhere", read("GET", "sockets/a", ""), wrong("no_route")),
    ]);
}

#[test]
fn bans_are_of_an_address_or_a_subject_for_a_time() {
    let ban = |target, lasts| Ok(Command::Ban { target, lasts });
    let sub = |text: &str| Target::Subject(text.to_owned());
    let wrong = |text: &str| Err(text.to_owned());
    let duration = "for: \"x\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\"";
    assert_rows([
        (
            "an hour",
            read("PUT", "bans/alice", ""),
            ban(sub("alice"), seconds(3600)),
        ),
        (
            "in the query",
            read("PUT", "bans/alice?for=10m", ""),
            ban(sub("alice"), seconds(600)),
        ),
        (
            "in the body",
            read("PUT", "bans/alice", r#"{"for":"10m"}"#),
            ban(sub("alice"), seconds(600)),
        ),
        (
            "an address",
            read("PUT", "bans/192.0.2.7", ""),
            ban(of_address("192.0.2.7"), seconds(3600)),
        ),
        (
            "a network",
            read("PUT", "bans/2001:db8::%2F64", ""),
            ban(of_address("2001:db8::"), seconds(3600)),
        ),
        (
            "a network that is not counted as one",
            read("DELETE", "bans/2001:db8::/56", ""),
            wrong("\"2001:db8::/56\" is no network that is counted as one; write an address in it"),
        ),
        (
            "nor is one of these",
            read("PUT", "bans/192.0.2.0/24", ""),
            wrong("\"192.0.2.0/24\" is no network that is counted as one; write an address in it"),
        ),
        (
            "an address and more",
            read("PUT", "bans/192.0.2.7/alice", ""),
            ban(sub("192.0.2.7/alice"), seconds(3600)),
        ),
        (
            "its slash encoded",
            read("DELETE", "bans/2001:db8::%2F48", ""),
            wrong("\"2001:db8::/48\" is no network that is counted as one; write an address in it"),
        ),
        (
            "a subject like a network",
            read("PUT", "bans/192.0.2.0/team", ""),
            ban(sub("192.0.2.0/team"), seconds(3600)),
        ),
        (
            "slashes and UTF-8",
            read("PUT", "bans/a/b%2Fc%C3%BC", ""),
            ban(sub("a/b/cü"), seconds(3600)),
        ),
        (
            "lifting",
            read("DELETE", "bans/alice", ""),
            Ok(Command::Lift(sub("alice"))),
        ),
        (
            "lifting that of an address, which routes may count otherwise",
            read("DELETE", "bans/2001:db8::7", ""),
            Ok(Command::Lift(of_address("2001:db8::7"))),
        ),
        (
            "both",
            read("PUT", "bans/a?for=1h", r#"{"for":"1h"}"#),
            wrong("for stands in the query and in the body"),
        ),
        (
            "no duration",
            read("PUT", "bans/a?for=x", ""),
            wrong(duration),
        ),
        (
            "no time",
            read("PUT", "bans/a?for=0s", ""),
            wrong("for: \"0s\" must be longer than zero; write one like \"30s\""),
        ),
        (
            "more",
            read("PUT", "bans/a", r#"{"until":1}"#),
            wrong("\"until\" is not known here; write for"),
        ),
        (
            "no UTF-8",
            read("PUT", "bans/%FF", ""),
            wrong("the path has percent-encoding that is not UTF-8"),
        ),
        (
            "a percent sign alone",
            read("PUT", "bans/100%", ""),
            wrong("the path has a percent sign without two hexadecimal digits after it"),
        ),
        (
            "bytes that the runtime could not read",
            read("PUT", "bans/a\u{fffd}", ""),
            wrong("the path has percent-encoding that is not UTF-8"),
        ),
        (
            "a percent sign alone in the query",
            read("PUT", "bans/a?for=1%h", ""),
            wrong("the query has a percent sign without two hexadecimal digits after it"),
        ),
        ("nobody", read("PUT", "bans/", ""), wrong("no_route")),
        ("GET", read("GET", "bans/a", ""), wrong("only PUT, DELETE")),
    ]);
}

#[test]
fn a_ban_is_of_the_kind_that_the_query_names() {
    let sub = |text: &str| Target::Subject(text.to_owned());
    let ban = |target, lasts| Ok(Command::Ban { target, lasts });
    let wrong = |text: &str| Err(text.to_owned());
    assert_rows([
        (
            "a subject like an address",
            read("PUT", "bans/192.0.2.7?kind=sub&for=10m", ""),
            ban(sub("192.0.2.7"), seconds(600)),
        ),
        (
            "lifting it",
            read("DELETE", "bans/192.0.2.7?kind=sub", ""),
            Ok(Command::Lift(sub("192.0.2.7"))),
        ),
        (
            "a subject like a network",
            read("DELETE", "bans/2001:db8::%2F56?kind=sub", ""),
            Ok(Command::Lift(sub("2001:db8::/56"))),
        ),
        (
            "an address",
            read("PUT", "bans/192.0.2.7?kind=ip", r#"{"for":"10m"}"#),
            ban(of_address("192.0.2.7"), seconds(600)),
        ),
        (
            "a network that is counted as one",
            read("DELETE", "bans/2001:db8::%2F64?kind=ip", ""),
            Ok(Command::Lift(of_address("2001:db8::"))),
        ),
        (
            "a network that is not",
            read("PUT", "bans/2001:db8::/56?kind=ip", ""),
            wrong("\"2001:db8::/56\" is no network that is counted as one; write an address in it"),
        ),
        (
            "an address that is none",
            read("PUT", "bans/alice?kind=ip", ""),
            wrong("\"alice\" is no IP address; kind=sub stands for a subject"),
        ),
        (
            "another kind",
            read("DELETE", "bans/alice?kind=user", ""),
            wrong("kind: \"user\" is neither ip nor sub"),
        ),
        (
            "another kind of an address",
            read("PUT", "bans/192.0.2.7?kind=IP", ""),
            wrong("kind: \"IP\" is neither ip nor sub"),
        ),
        (
            "twice",
            read("PUT", "bans/alice?kind=sub&kind=sub", ""),
            wrong("\"kind\" stands twice in the query"),
        ),
        (
            "none",
            read("PUT", "bans/alice?kind=", ""),
            wrong("\"kind\" in the query has no value"),
        ),
        (
            "in the body",
            read("PUT", "bans/alice", r#"{"kind":"sub"}"#),
            wrong("\"kind\" is not known here; write for"),
        ),
        (
            "a time where none is",
            read("DELETE", "bans/alice?kind=sub&for=1h", ""),
            wrong("\"for\" in the query is not known here"),
        ),
        (
            "of all bans",
            read("GET", "bans?kind=sub", ""),
            wrong("\"kind\" in the query is not known here"),
        ),
    ]);
}

#[test]
fn what_undoes_a_ban_is_of_the_same_kind() {
    for path in [
        "bans/192.0.2.7",
        "bans/2001:db8::7",
        "bans/alice",
        "bans/192.0.2.7?kind=sub",
        "bans/2001:db8::%2F56?kind=sub",
        "bans/a%3Fkind=ip%26b%25?kind=sub",
    ] {
        let ban = read("PUT", path, "").expect("a ban");
        let Command::Ban { target, .. } = &ban else {
            panic!("{path}: {ban:?}");
        };
        let (method, undo) = ban.undo().expect("it can be undone");
        assert_eq!(method, "DELETE", "{path}");
        let kind = match target {
            Target::Address { .. } => "?kind=ip",
            Target::Subject(_) => "?kind=sub",
        };
        assert!(undo.ends_with(kind), "{path}: {undo}");
        let Ok(Command::Lift(lifted)) = read("DELETE", &undo, "") else {
            panic!("{path}: {undo} lifts nothing");
        };
        assert_eq!(lifted.key(), target.key(), "{path}: {undo}");
    }
}

#[test]
fn a_list_shows_a_banned_subject_in_full_since_it_is_lifted_by_that_name() {
    let long = "ü".repeat(300);
    let about = Target::Subject(long.clone()).about();
    assert_eq!(about.sub, Some(long));
}

#[test]
fn revocations_name_a_claim_or_a_time() {
    let revoke = |body: &str| match read("PUT", "revocations", body)? {
        Command::Revoke(revocation) => {
            let words = revocation.to_string();
            Ok((revocation.key, revocation.before, revocation.lasts, words))
        }
        other => Err(format!("{other:?}")),
    };
    let month = seconds(30 * 86_400);
    let claim = |claim, issuer, value: &str| RegistryKey::claim(claim, issuer, value);
    let just_now = Timestamp(NOW.0 + 1);
    let rows = [
        (
            r#"{"jti":"t"}"#,
            claim(Claim::Token, None, "t"),
            Timestamp::LATEST,
            month,
            "jti \"t\"",
        ),
        (
            r#"{"sid":"s","iss":"i"}"#,
            claim(Claim::Session, Some("i"), "s"),
            Timestamp::LATEST,
            month,
            "sid \"s\", iss \"i\"",
        ),
        (
            r#"{"sub":"a"}"#,
            claim(Claim::Subject, None, "a"),
            just_now,
            month,
            "sub \"a\", issued before 1800000000.001",
        ),
        (
            r#"{"sub":"a","iss":"i"}"#,
            claim(Claim::Subject, Some("i"), "a"),
            just_now,
            month,
            "sub \"a\", iss \"i\", issued before 1800000000.001",
        ),
        (
            r#"{"sub":"a","before":1700000000}"#,
            claim(Claim::Subject, None, "a"),
            Timestamp(1_700_000_000_000),
            month,
            "sub \"a\", issued before 1700000000.000",
        ),
        (
            r#"{"before":1700000000.5,"for":"1d"}"#,
            RegistryKey::all(),
            Timestamp(1_700_000_000_500),
            seconds(86_400),
            "issued before 1700000000.500",
        ),
        (
            r#"{"before":1,"iss":"i"}"#,
            RegistryKey::issuer("i"),
            Timestamp(1000),
            month,
            "iss \"i\", issued before 1.000",
        ),
        (
            r#"{"before":1800000060}"#,
            RegistryKey::all(),
            Timestamp(1_800_000_060_000),
            month,
            "issued before 1800000060.000",
        ),
    ];
    assert_rows(rows.map(|(body, key, before, lasts, words)| {
        (
            body,
            revoke(body),
            Ok((key, before, lasts, words.to_owned())),
        )
    }));
    let wrong = [
        (
            "",
            "the body is no JSON object without duplicates: EOF while parsing a value at line 1 column 0",
        ),
        (
            "[]",
            "the body is no JSON object without duplicates: it is not an object",
        ),
        ("{}", "say what is revoked: jti, sub, sid or before"),
        (
            r#"{"iss":"i"}"#,
            "say what is revoked: jti, sub, sid or before",
        ),
        (
            r#"{"jti":"a","jti":"b"}"#,
            "the body is no JSON object without duplicates: a member stands twice at line 1 column 21",
        ),
        (r#"{"jti":"a","sub":"b"}"#, "write one of jti, sub and sid"),
        (
            r#"{"jti":"a","before":1}"#,
            "before does not go with jti; remove one",
        ),
        (
            r#"{"sid":"a","before":1}"#,
            "before does not go with sid; remove one",
        ),
        (r#"{"sub":""}"#, "sub is no text, or an empty one"),
        (r#"{"sub":7}"#, "sub is no text, or an empty one"),
        (r#"{"sub":"a","iss":""}"#, "iss is no text, or an empty one"),
        (
            r#"{"user":"a"}"#,
            "\"user\" is not known here; write jti, sid, sub, before, iss, for",
        ),
        (
            r#"{"before":"yesterday"}"#,
            "before is no time; write seconds since 1970, as iat has them",
        ),
        (
            r#"{"before":-1}"#,
            "before is no time; write seconds since 1970, as iat has them",
        ),
        (
            r#"{"before":1800000061}"#,
            "before is in the future; write a time in seconds that has passed",
        ),
        (
            r#"{"jti":"a","for":"2"}"#,
            "for: \"2\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\"",
        ),
        (
            r#"{"jti":"a","for":"9999d"}"#,
            "for: \"9999d\" is longer than a year; write a shorter duration",
        ),
    ];
    assert_rows(wrong.map(|(body, detail)| (body, revoke(body), Err(detail.to_owned()))));
    let query = read("PUT", "revocations?for=1h", r#"{"jti":"a"}"#);
    assert_eq!(query, Err("\"for\" in the query is not known here".into()));
    let methods = ["POST", "DELETE"].map(|method| read(method, "revocations", ""));
    assert_eq!(
        methods.map(Result::unwrap_err).to_vec(),
        strings(&["only GET, HEAD, PUT"; 2])
    );
}

#[test]
fn bans_and_revocations_are_listed_and_a_revocation_is_lifted_by_its_id() {
    let id = "0123456789abcdef0123456789abcdef";
    let path = format!("revocations/{id}");
    let lift = Command::LiftRevocation(id.to_owned());
    let wrong = |text: &str| Err(text.to_owned());
    let not_an_id = |text: &str| {
        Err(format!(
            "{text:?} is not the id of a revocation; write the 32 digits that the list shows"
        ))
    };
    assert_rows([
        ("bans", read("GET", "bans", ""), Ok(Command::ListBans)),
        ("by HEAD", read("HEAD", "bans", ""), Ok(Command::ListBans)),
        (
            "revocations",
            read("GET", "revocations", ""),
            Ok(Command::ListRevocations),
        ),
        ("one is lifted", read("DELETE", &path, ""), Ok(lift)),
        (
            "another method",
            read("GET", &path, ""),
            wrong("only DELETE"),
        ),
        (
            "a list is not deleted",
            read("DELETE", "bans", ""),
            wrong("only GET, HEAD"),
        ),
        (
            "a parameter",
            read("GET", "bans?sub=a", ""),
            wrong("\"sub\" in the query is not known here"),
        ),
        (
            "upper case",
            read(
                "DELETE",
                &path.to_uppercase().replace("REVOCATIONS", "revocations"),
                "",
            ),
            not_an_id(&id.to_uppercase()),
        ),
        (
            "a name",
            read("DELETE", "revocations/alice", ""),
            not_an_id("alice"),
        ),
        (
            "no id",
            read("DELETE", "revocations/", ""),
            wrong("no_route"),
        ),
        ("no ban", read("PUT", "bans/", ""), wrong("no_route")),
        (
            "below sockets",
            read("GET", "sockets/a", ""),
            wrong("no_route"),
        ),
    ]);
}

#[test]
fn a_client_is_explained_by_its_address_or_subject() {
    let explain = |target, issuer: Option<&str>| {
        let issuer = issuer.map(str::to_owned);
        Ok(Command::Explain { target, issuer })
    };
    let alice = || Target::Subject("alice".into());
    let wrong = |text: &str| Err(text.to_owned());
    let get = |query| read("GET", query, "");
    assert_rows([
        ("sub", get("explain?sub=alice"), explain(alice(), None)),
        (
            "sub of an issuer",
            get("explain?sub=alice&iss=https://id"),
            explain(alice(), Some("https://id")),
        ),
        (
            "ip",
            get("explain?ip=2001:db8::1"),
            explain(of_address("2001:db8::1"), None),
        ),
        (
            "nothing",
            get("explain"),
            wrong("name the client: sub or ip in the query"),
        ),
        (
            "both",
            get("explain?sub=a&ip=192.0.2.7"),
            wrong("write one of sub and ip"),
        ),
        (
            "an address of an issuer",
            get("explain?iss=a&ip=192.0.2.7"),
            wrong("iss goes with sub; remove one"),
        ),
        (
            "no address",
            get("explain?ip=alice"),
            wrong("ip: \"alice\" is no IP address"),
        ),
        (
            "anything else",
            get("explain?id=1"),
            wrong("\"id\" in the query is not known here"),
        ),
        (
            "another method",
            read("PUT", "explain?sub=alice", ""),
            wrong("only GET, HEAD"),
        ),
    ]);
}

#[test]
fn a_revocation_says_what_it_is_about() {
    let about = |body: &str| match read("PUT", "revocations", body) {
        Ok(Command::Revoke(revocation)) => revocation.about,
        other => panic!("{other:?}"),
    };
    let text = |text: &str| Some(text.to_owned());
    assert_rows([
        (
            "a token",
            about(r#"{"jti":"a","iss":"i"}"#),
            About {
                jti: text("a"),
                iss: text("i"),
                ..About::default()
            },
        ),
        (
            "a session",
            about(r#"{"sid":"a"}"#),
            About {
                sid: text("a"),
                ..About::default()
            },
        ),
        (
            "a long subject, cut",
            about(&format!(r#"{{"sub":"{}"}}"#, "ü".repeat(300))),
            About {
                sub: Some("ü".repeat(128)),
                ..About::default()
            },
        ),
        ("all", about(r#"{"before":1}"#), About::default()),
    ]);
}
