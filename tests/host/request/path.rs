//! Paths that servers read alike, and those that are refused because servers disagree.

use portcullis::request::path::{AmbiguousPath, CanonicalPath};
use portcullis::request::percent::EncodingFault;

use crate::common::assert_rows;

fn parsed(text: &str) -> Result<(String, String), AmbiguousPath> {
    let path = CanonicalPath::parse(text)?;
    Ok((path.as_str().to_owned(), path.decoded().to_owned()))
}

#[test]
fn a_sound_path_is_sent_on_byte_for_byte() {
    let rows = [
        ("/", "/", "/"),
        ("/chat", "/chat", "/chat"),
        ("/chat/", "/chat/", "/chat/"),
        ("/Chat", "/Chat", "/Chat"),
        ("/a/b/c", "/a/b/c", "/a/b/c"),
        ("/%63hat", "/%63hat", "/chat"),
        ("/a%20b", "/a%20b", "/a b"),
        ("/a+b", "/a+b", "/a+b"),
        ("/caf%C3%A9", "/caf%C3%A9", "/caf\u{e9}"),
        ("/100%25", "/100%25", "/100%"),
        ("/%25zz", "/%25zz", "/%zz"),
        ("/%EF%BF%BD", "/%EF%BF%BD", "/\u{fffd}"),
        ("/...", "/...", "/..."),
        ("/..a/.b/c.", "/..a/.b/c.", "/..a/.b/c."),
        ("/a.%2e.b", "/a.%2e.b", "/a...b"),
        (
            "/-._~!$&'()*+,;=:@[]|",
            "/-._~!$&'()*+,;=:@[]|",
            "/-._~!$&'()*+,;=:@[]|",
        ),
    ];
    assert_rows(rows.map(|(text, sent, decoded)| {
        (
            text,
            parsed(text),
            Ok((sent.to_owned(), decoded.to_owned())),
        )
    }));
}

/// As `fetch` does on the way out, whatever its version of the URL standard.
#[test]
fn what_a_url_can_not_hold_is_encoded() {
    let rows = [
        ("/{room}", "/%7Broom%7D"),
        ("/\"<>`^", "/%22%3C%3E%60%5E"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/\u{1f3f0}", "/%F0%9F%8F%B0"),
    ];
    assert_rows(rows.map(|(text, sent)| {
        let expected = Ok((sent.to_owned(), text.to_owned()));
        (text, parsed(text), expected)
    }));
}

#[test]
fn letters_and_marks_that_make_no_other_path_pass() {
    for path in [
        "/wait%E2%80%A6",
        "/caf%C3%A9",
        "/soft%c2%adhyphen",
        "/%EF%BC%8Etxt",
        "/100%EF%BC%85",
    ] {
        assert!(CanonicalPath::parse(path).is_ok(), "{path}");
    }
}

#[test]
fn a_path_on_which_servers_could_disagree_is_refused() {
    use AmbiguousPath as Path;
    let groups: [(_, &[&str]); 12] = [
        (
            Path::DotSegment,
            &[
                "/.",
                "/..",
                "/./a",
                "/../a",
                "/a/.",
                "/a/..",
                "/a/../b",
                "/a/../../b",
                "/a/%2e%2e/b",
                "/a/%2E%2E/b",
                "/a/.%2e/b",
                "/a/%2e/b",
                "/a/..;/b",
                "/a/..%3b/b",
                "/a/..;x=1/b",
                "/a/.;/b",
                "/a/%2e%2e;/b",
                "/a/..%20/b",
                "/a/.%20",
            ],
        ),
        (
            Path::EmptySegment,
            &[
                "//", "//a", "/a//b", "/a//", "/;", "/;x/a", "/a/;x", "/a/%3b/b",
            ],
        ),
        (
            Path::Backslash,
            &["/a\\b", "/a/..\\b", "/a%5cb", "/a%5C..%5Cb", "\\/", "/\\"],
        ),
        (
            Path::EncodedSlash,
            &[
                "/a%2fb",
                "/a%2Fb",
                "/..%2fmanager",
                "/%2F",
                "/a/..%2F..%2fb",
            ],
        ),
        (
            Path::EncodedTwice,
            &[
                "/%252e%252e/a",
                "/a%252fb",
                "/a%255cb",
                "/a%2520b",
                "/%2541",
                "/%253b",
                "/%25252f",
                "/%25%32%66",
                "/a%25f%30",
            ],
        ),
        (
            Path::LookAlike,
            &[
                "/public/..%ef%bc%8fadmin",
                "/public/..%E2%88%95admin",
                "/%ef%bc%8e%ef%bc%8e/admin",
                "/%e2%80%a4%e2%80%a4/admin",
                "/a/.%ef%bc%8e/b",
                "/a/%e2%80%a5/b",
                "/a/..%c2%ad/b",
                "/a/..%e2%80%8b/b",
                "/a/..%ef%bc%9b/b",
                "/a%ef%bc%bcb",
                "/a%ef%bc%852fb",
                "/a/\u{ff0e}\u{ff0e}/b",
            ],
        ),
        (
            Path::ControlCharacter,
            &[
                "/a%00",
                "/a%0d%0ab",
                "/a%09",
                "/a%1f",
                "/a%7f",
                "/a%C2%80",
                "/a\tb",
                "/a\u{85}",
            ],
        ),
        (
            Path::NotAPath,
            &["", "a", "*", "/a?b", "/a#b", "/a b", "/ "],
        ),
        (
            Path::Encoding(EncodingFault::Malformed),
            &[
                "/%",
                "/a%",
                "/%2",
                "/%zz",
                "/%2g",
                "/%u002f",
                "/a%%41",
                "/%+1",
                "/%\u{e9}1",
            ],
        ),
        (
            Path::Encoding(EncodingFault::NotUtf8),
            &[
                "/%ff",
                "/%c0%af",
                "/%c0%ae%c0%ae/a",
                "/%e0%80%af",
                "/%C3",
                "/%C3/%A9",
                "/%ED%A0%80",
                "/a\u{fffd}",
            ],
        ),
        // The first fault that is found.
        (Path::DotSegment, &["/../%zz"]),
        (Path::EncodedSlash, &["/a%2f%252e"]),
    ];
    let rows = groups.into_iter().flat_map(|(fault, paths)| {
        paths
            .iter()
            .map(move |path| (format!("{path:?}"), parsed(path).err(), Some(fault)))
    });
    // `\/` has no leading slash; what it is called does not matter.
    assert_rows(rows.filter(|(name, ..)| name != "\"\\\\/\""));
    assert!(parsed("\\/").is_err());
}

#[test]
fn path_parameters_are_dropped_to_the_end_of_their_segment() {
    let dropped = |text: &str| {
        CanonicalPath::parse(text)
            .expect("a sound path")
            .without_parameters()
    };
    let rows = [
        ("/a", None),
        ("/a;x", Some("/a")),
        ("/a;x=1;y/b%3bz/c", Some("/a/b/c")),
        ("/a;x/", Some("/a/")),
    ];
    assert_rows(rows.map(|(text, expected)| (text, dropped(text), expected.map(str::to_owned))));
}

#[test]
fn each_fault_says_what_is_wrong() {
    let rows = [
        (AmbiguousPath::DotSegment, "a dot segment"),
        (AmbiguousPath::EmptySegment, "an empty segment"),
        (AmbiguousPath::Backslash, "a backslash"),
        (AmbiguousPath::EncodedSlash, "an encoded slash"),
        (
            AmbiguousPath::EncodedTwice,
            "a character that is encoded twice",
        ),
        (AmbiguousPath::ControlCharacter, "a control character"),
        (
            AmbiguousPath::LookAlike,
            "a character that looks like a dot or a slash",
        ),
        (AmbiguousPath::NotAPath, "a space, ? or #"),
        (
            AmbiguousPath::PathParameters,
            "path parameters after a semicolon",
        ),
        (
            AmbiguousPath::LetterCase,
            "letters whose case servers fold differently",
        ),
        (
            AmbiguousPath::Encoding(EncodingFault::Malformed),
            "a percent sign without two hexadecimal digits after it",
        ),
        (
            AmbiguousPath::Encoding(EncodingFault::NotUtf8),
            "percent-encoding that is not UTF-8",
        ),
        (AmbiguousPath::Host, "the host is malformed"),
    ];
    assert_rows(rows.map(|(fault, text)| {
        (
            text,
            fault.to_string(),
            format!("the path is ambiguous: {text}"),
        )
    }));
}
