//! Who is an administrator.

use crate::common::{Ask, assert_rows};
use portcullis::admin::AdminToken;
use portcullis::response::reason::Reason;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_token_is_long_enough_and_can_be_sent() {
    let characters = "it can't be sent in a header: write visible ASCII without spaces and commas";
    let short = "it is shorter than 32 characters; write a random one, like openssl rand -base64 32 \
                 gives";
    let parse = |text: &str| AdminToken::parse(text).map(|_| ());
    assert_rows([
        ("32 characters", parse(TOKEN), Ok(())),
        ("31 characters", parse(&TOKEN[1..]), Err(short.to_owned())),
        ("nothing", parse(""), Err(short.to_owned())),
        (
            "a space",
            parse(&format!("{TOKEN} ")),
            Err(characters.to_owned()),
        ),
        (
            "a comma",
            parse(&format!("{TOKEN},")),
            Err(characters.to_owned()),
        ),
        (
            "a line break",
            parse(&format!("{TOKEN}\n")),
            Err(characters.to_owned()),
        ),
        (
            "no ASCII",
            parse(&"ü".repeat(32)),
            Err(characters.to_owned()),
        ),
    ]);
    assert_eq!(
        format!("{:?}", AdminToken::parse(TOKEN)),
        "Ok(AdminToken(REDACTED))"
    );
}

#[test]
fn only_its_bearer_is_an_administrator() {
    let token = AdminToken::parse(TOKEN).expect("sound");
    let url = format!("https://gate.example/_portcullis/admin/sockets?token={TOKEN}");
    let plain = || Ask::plain("GET", &url).with("cookie", &format!("ADMIN_TOKEN={TOKEN}"));
    let with = |value: &str| plain().with("authorization", value);
    let check = |ask: Ask| {
        token
            .check(&ask.request())
            .map_err(|refused| refused.reason)
    };
    assert_rows([
        ("the token", check(with(&format!("Bearer {TOKEN}"))), Ok(())),
        (
            "in any case",
            check(with(&format!("bearer  {TOKEN} "))),
            Ok(()),
        ),
        ("nothing", check(plain()), Err(Reason::TokenMissing)),
        (
            "another scheme",
            check(with(&format!("Basic {TOKEN}"))),
            Err(Reason::TokenMissing),
        ),
        ("no scheme", check(with(TOKEN)), Err(Reason::TokenMissing)),
        ("empty", check(with("Bearer ")), Err(Reason::TokenInvalid)),
        (
            "shorter",
            check(with(&format!("Bearer {}", &TOKEN[1..]))),
            Err(Reason::TokenInvalid),
        ),
        (
            "longer",
            check(with(&format!("Bearer {TOKEN}0"))),
            Err(Reason::TokenInvalid),
        ),
        (
            "in capitals",
            check(with(&format!("Bearer {}", TOKEN.to_uppercase()))),
            Err(Reason::TokenInvalid),
        ),
        (
            "twice",
            check(with(&format!("Bearer {TOKEN}, Bearer {TOKEN}"))),
            Err(Reason::TokenInvalid),
        ),
    ]);
}
