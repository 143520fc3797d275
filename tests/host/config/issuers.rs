//! `ISSUERS` and `JWT_JWKS_URL`: what is a configuration error.

use portcullis::config::{Settings, Var};
use serde_json::{Value, json};

use crate::common::{RFC8037_X, assert_rows, base64url, minimal_with, read, strings};

const MAC: [u8; 32] = [7; 32];

fn oct(secret: &[u8]) -> Value {
    json!({"keys": [{"kty": "oct", "k": base64url(secret)}]})
}

fn okp() -> Value {
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": RFC8037_X}]})
}

fn with_issuers(issuers: &Value) -> Settings {
    let mut settings = minimal_with(&[]);
    settings.vars.remove("JWT_SECRET");
    settings
        .vars
        .insert("ISSUERS".into(), Var::Json(issuers.clone()));
    settings
}

/// The errors of `ISSUERS` with this JSON text.
fn errors(text: &str) -> Vec<String> {
    let mut settings = minimal_with(&[("ISSUERS", text)]);
    settings.vars.remove("JWT_SECRET");
    read(&settings).err().unwrap_or_default()
}

#[test]
fn an_issuer_has_a_name_and_one_source_of_keys() {
    let example = "write {\"issuer\": \"https://id.example.com\", \
                   \"jwks_url\": \"https://id.example.com/jwks\", \"audience\": \"chat\"}";
    let source = format!("it takes jwks_url, jwks, or both; {example}");
    let bare = r#""jwks_url":"https://a.test/jwks""#;
    let with_audience = format!(r#"{bare},"audience":"x""#);
    let url = with_audience.as_str();
    let entry = |members: &str| format!("[{{{members}}}]");
    let of_entry = |problem: &str| strings(&[&format!("ISSUERS: entry 0: {problem}")]);
    let array = strings(&["ISSUERS: it is not a JSON array with at least one element"]);
    let rows = [
        ("sound", entry(&format!(r#""issuer":"a",{url}"#)), vec![]),
        (
            "sound, all members",
            entry(&format!(
                r#""issuer":"a",{url},"algorithms":["RS256","ES256"]"#
            )),
            vec![],
        ),
        ("empty array", "[]".into(), array.clone()),
        ("object", "{}".into(), array.clone()),
        ("number", "1".into(), array.clone()),
        (
            "more behind it",
            r#"[1],"x":[2]"#.into(),
            strings(&["ISSUERS: invalid JSON: trailing characters at line 1 column 4"]),
        ),
        (
            "no JSON",
            "[".into(),
            strings(&["ISSUERS: invalid JSON: EOF while parsing a list at line 1 column 1"]),
        ),
        (
            "duplicate member",
            r#"[{"issuer":"a","issuer":"b"}]"#.into(),
            strings(&["ISSUERS: invalid JSON: a member stands twice at line 1 column 28"]),
        ),
        (
            "no object",
            "[1]".into(),
            of_entry(&format!("it is not an object; {example}")),
        ),
        (
            "no issuer",
            entry(url),
            of_entry(&format!("it has no issuer; {example}")),
        ),
        (
            "empty issuer",
            entry(&format!(r#""issuer":"",{url}"#)),
            of_entry(&format!("it has no issuer; {example}")),
        ),
        (
            "issuer an array",
            entry(&format!(r#""issuer":["a"],{url}"#)),
            of_entry(&format!("it has no issuer; {example}")),
        ),
        ("no keys", entry(r#""issuer":"a""#), of_entry(&source)),
        (
            "both",
            entry(&format!(r#""issuer":"a","jwks":{},{url}"#, okp())),
            vec![],
        ),
        (
            "both, one of them empty",
            entry(&format!(r#""issuer":"a","jwks":{{"keys":[]}},{url}"#)),
            of_entry("jwks: it has 0 keys; write 1 to 64"),
        ),
        (
            "jwks a text",
            entry(r#""issuer":"a","jwks":"{}""#),
            of_entry("jwks: it is neither an object nor PEM"),
        ),
        (
            "url a number",
            entry(r#""issuer":"a","jwks_url":1"#),
            of_entry("jwks_url: it is not a string"),
        ),
        (
            "url on this machine",
            entry(r#""issuer":"a","jwks_url":"http://localhost:8080/","audience":"x""#),
            vec![],
        ),
        (
            "url without audience",
            entry(&format!(r#""issuer":"a",{bare}"#)),
            of_entry(
                "it has jwks_url without audience: the provider's tokens for other services would be accepted; write the aud of your tokens, or \"any\" to accept them all",
            ),
        ),
        (
            "any audience",
            entry(&format!(r#""issuer":"a",{bare},"audience":"any""#)),
            vec![],
        ),
        (
            "any audience beside another",
            entry(&format!(r#""issuer":"a",{bare},"audience":["any","x"]"#)),
            of_entry("\"any\" accepts every audience; remove it, or the others"),
        ),
        (
            "http",
            entry(r#""issuer":"a","jwks_url":"http://a.test/""#),
            of_entry(
                "jwks_url: it is not an https URL without user name and fragment; write a URL like \"https://id.example.com/jwks\"",
            ),
        ),
        (
            "empty set",
            entry(r#""issuer":"a","jwks":{"keys":[]}"#),
            of_entry("jwks: it has 0 keys; write 1 to 64"),
        ),
        (
            "unusable key",
            entry(r#""issuer":"a","jwks":{"keys":[{"kty":"x"}]}"#),
            of_entry("jwks: key 0: kty \"x\" is unknown; use oct, OKP, RSA or EC"),
        ),
        (
            "unknown member",
            entry(&format!(r#""issuer":"a",{url},"audiences":"x""#)),
            of_entry(&format!(
                "\"audiences\" is not a member of an issuer; {example}"
            )),
        ),
        (
            "audience a number",
            entry(&format!(r#""issuer":"a",{bare},"audience":1"#)),
            of_entry("audience is neither a string nor an array of strings"),
        ),
        (
            "audience with null",
            entry(&format!(r#""issuer":"a",{bare},"audience":["x",null]"#)),
            of_entry("audience is neither a string nor an array of strings"),
        ),
        (
            "unknown algorithm",
            entry(&format!(r#""issuer":"a",{url},"algorithms":"none""#)),
            of_entry(
                "\"none\" is not an algorithm; write some of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
            ),
        ),
        (
            "twice",
            format!(r#"[{{"issuer":"a",{url}}},{{"issuer":"a",{url}}}]"#),
            strings(&["ISSUERS: issuer \"a\" stands twice; remove one"]),
        ),
        (
            "all at once",
            entry(r#""x":1,"algorithms":1"#),
            strings(&[
                &format!("ISSUERS: entry 0: \"x\" is not a member of an issuer; {example}"),
                &format!("ISSUERS: entry 0: it has no issuer; {example}"),
                "ISSUERS: entry 0: algorithms is neither a string nor an array of strings",
                &format!("ISSUERS: entry 0: {source}"),
            ]),
        ),
    ];
    assert_rows(
        rows.map(|(name, text, expected): (_, String, Vec<String>)| {
            (name, errors(&text), expected)
        }),
    );
}

#[test]
fn an_algorithm_list_of_an_issuer_fits_its_keys() {
    let with = |algorithms: Value| {
        let jwks = oct(&MAC);
        let entry = json!([{"issuer": "a", "jwks": jwks, "algorithms": algorithms}]);
        read(&with_issuers(&entry)).err().unwrap_or_default()
    };
    let none =
        |name| format!("ISSUERS: entry 0: no key is for {name}; remove it, or give a key for it");
    let left = "ISSUERS: entry 0: it leaves a key without kid without an algorithm; remove the key, or add one";
    assert_rows([
        ("HS256", with(json!("HS256")), vec![]),
        (
            "too long for it",
            with(json!(["HS256", "HS512"])),
            vec![none("HS512")],
        ),
        (
            "another kind",
            with(json!("RS256")),
            vec![none("RS256"), left.into()],
        ),
    ]);
}

#[test]
fn issuers_stand_in_place_of_the_settings_of_one() {
    let one = json!([{"issuer": "a", "jwks": oct(&MAC)}]);
    let problem = "ISSUERS is set as well, which has this for each issuer; remove one of the two";
    let jwks = oct(&MAC).to_string();
    let values = [
        ("JWT_SECRET", "a secret of thirty-two characters!"),
        ("JWT_JWKS", jwks.as_str()),
        ("JWT_JWKS_URL", "https://a.test/jwks"),
        ("JWT_ISSUER", "a"),
        ("JWT_AUDIENCE", "a"),
        ("JWT_ALGORITHMS", "HS256"),
    ];
    assert_rows(values.map(|(name, value)| {
        let mut settings = with_issuers(&one);
        settings.vars.insert(name.into(), Var::Text(value.into()));
        let errors = read(&settings).err().unwrap_or_default();
        (name, errors, vec![format!("{name}: {problem}")])
    }));
}

#[test]
fn a_url_of_keys_is_https_or_on_the_same_machine() {
    let errors = |vars: &[(&str, &str)]| {
        let mut settings = minimal_with(&[&[("JWT_AUDIENCE", "x")], vars].concat());
        settings.vars.remove("JWT_SECRET");
        read(&settings).err().unwrap_or_default()
    };
    let url = |value: &str| errors(&[("JWT_JWKS_URL", value)]);
    let example = "write a URL like \"https://id.example.com/jwks\"";
    let unsound = || {
        vec![format!(
            "JWT_JWKS_URL: it is not an https URL without user name and fragment; {example}"
        )]
    };
    let unread = |why: &str| vec![format!("JWT_JWKS_URL: {why}; {example}")];
    assert_rows([
        ("sound", url("https://id.example.com/jwks"), vec![]),
        (
            "with port and query",
            url("https://id.example.com:8443/jwks?a=b"),
            vec![],
        ),
        ("without path", url("https://id.example.com"), vec![]),
        ("http", url("http://id.example.com/jwks"), unsound()),
        ("http on the machine", url("http://127.0.0.1/jwks"), vec![]),
        ("http on IPv6", url("http://[::1]:8080/jwks"), vec![]),
        ("http by name", url("http://localhost:8080/jwks"), vec![]),
        (
            "http to another address",
            url("http://10.0.0.1/jwks"),
            unsound(),
        ),
        (
            "http to a look-alike",
            url("http://localhost.example/jwks"),
            unsound(),
        ),
        ("wss", url("wss://id.example.com/jwks"), unsound()),
        ("user name", url("https://a@id.example.com/jwks"), unsound()),
        (
            "password",
            url("https://a:b@id.example.com/jwks"),
            unsound(),
        ),
        ("fragment", url("https://id.example.com/jwks#a"), unsound()),
        ("path alone", url("/jwks"), unsound()),
        ("host alone", url("id.example.com"), unsound()),
        ("ftp", url("ftp://id.example.com/jwks"), unsound()),
        ("no host", url("https:///jwks"), unread("invalid format")),
        (
            "space",
            url("https://id.example.com/a b"),
            unread("invalid uri character"),
        ),
        (
            "stale for a time",
            errors(&[("JWT_JWKS_URL", "https://a.test"), ("JWT_JWKS_STALE", "5m")]),
            vec![],
        ),
        (
            "stale never",
            errors(&[("JWT_JWKS_URL", "https://a.test"), ("JWT_JWKS_STALE", "0s")]),
            vec![],
        ),
        (
            "stale no duration",
            errors(&[("JWT_JWKS_URL", "https://a.test"), ("JWT_JWKS_STALE", "5")]),
            strings(&[
                "JWT_JWKS_STALE: \"5\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\"",
            ]),
        ),
        (
            "with a secret",
            read(&minimal_with(&[
                ("JWT_JWKS_URL", "https://a.test"),
                ("JWT_AUDIENCE", "x"),
            ]))
            .err()
            .unwrap_or_default(),
            vec![],
        ),
        (
            "with a set",
            errors(&[
                ("JWT_JWKS_URL", "https://a.test"),
                ("JWT_JWKS", &okp().to_string()),
            ]),
            vec![],
        ),
        (
            "with a secret that no algorithm is for",
            read(&minimal_with(&[
                ("JWT_JWKS_URL", "https://a.test"),
                ("JWT_AUDIENCE", "x"),
                ("JWT_ALGORITHMS", "ES256"),
            ]))
            .err()
            .unwrap_or_default(),
            strings(&[
                "JWT_ALGORITHMS: it leaves a key without kid without an algorithm; remove the key, or add one",
            ]),
        ),
        (
            "without an audience",
            read(&minimal_with(&[("JWT_JWKS_URL", "https://a.test")]))
                .err()
                .unwrap_or_default(),
            strings(&[
                "JWT_AUDIENCE: it must be set with JWT_JWKS_URL: the provider's tokens for other services would be accepted; write the aud of your tokens, or \"any\" to accept them all",
            ]),
        ),
        (
            "any audience",
            errors(&[("JWT_JWKS_URL", "https://a.test"), ("JWT_AUDIENCE", "any")]),
            vec![],
        ),
        (
            "any audience beside another",
            errors(&[
                ("JWT_JWKS_URL", "https://a.test"),
                ("JWT_AUDIENCE", "any x"),
            ]),
            strings(&["JWT_AUDIENCE: \"any\" accepts every audience; remove it, or the others"]),
        ),
        (
            "unknown algorithm",
            errors(&[
                ("JWT_JWKS_URL", "https://a.test"),
                ("JWT_ALGORITHMS", "none"),
            ]),
            strings(&[
                "JWT_ALGORITHMS: \"none\" is not an algorithm; write some of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
            ]),
        ),
    ]);
}
