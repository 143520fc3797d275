//! The table of settings: documented as it is, and what it says is what the gate does.

use portcullis::config::Settings;
use portcullis::config::settings::{
    DefaultValue, Description, Form, Kind, Scope, Tokens, descriptions,
};
use portcullis::policy::{ONE_TIME_BINDING, REGISTRY_BINDING, Site};
use serde_json::{Value, json};

use super::{with_routes, without_warnings};
use crate::common::{RFC8037_X, assert_rows, minimal_with};

/// The documentation's rows of six cells, without those that head a table.
fn documented() -> Vec<Vec<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let page = std::fs::read_to_string(path).expect("docs/settings.md");
    let cells = |line: &str| {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let cells: Vec<_> = inner.split(" | ").map(str::to_owned).collect();
        (cells.len() == 6 && cells[0].starts_with('`')).then_some(cells)
    };
    page.lines().filter_map(cells).collect()
}

fn default_cell(default: DefaultValue) -> String {
    match default {
        DefaultValue::Value(value) => format!("`{value}`"),
        DefaultValue::Described(text) => text.into(),
    }
}

/// Words that must be in the cell of values.
fn form_words(form: Form) -> Vec<String> {
    let word = |word: &str| vec![word.to_owned()];
    match form {
        Form::Boolean => word("boolean"),
        Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect(),
        Form::Duration => word("duration"),
        Form::Quota => word("quota"),
        Form::Ban => word("ban"),
        Form::Count(least, most) => word(&format!("count from {least} to {most}")),
        Form::Url => word("URL"),
        Form::List => word("list"),
        Form::Array => word("array"),
        Form::Percentage => word("percentage from `0%` to `100%`"),
        Form::Mode => word("`enforce`, `report`, or `enforce:` and a percentage"),
        Form::Binding | Form::Text | Form::Object => vec![],
        Form::OrOff(form) => [form_words(*form), word("`off`")].concat(),
    }
}

/// Without the marks of Markdown.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        match link.split_once("](") {
            Some((name, target)) if !name.contains('[') => {
                plain.push_str(name);
                rest = target.split_once(')').map_or("", |(_, rest)| rest);
            }
            _ => {
                plain.push('[');
                rest = link;
            }
        }
    }
    plain.push_str(rest);
    plain.replace(['`', '*'], "")
}

#[test]
fn the_documentation_has_every_setting_as_the_table_has_it() {
    let rows = documented();
    let names = |cells: &Vec<String>| cells[0].trim_matches('`').to_owned();
    let table = descriptions();
    assert_eq!(
        rows.iter().map(names).collect::<Vec<_>>(),
        table
            .iter()
            .map(|row| row.setting.name().to_owned())
            .collect::<Vec<_>>(),
    );
    let cells = |cells: &[String]| [cells[1].clone(), cells[3].clone(), cells[5].clone()];
    assert_rows(rows.iter().zip(&table).map(|(row, described)| {
        let setting = described.setting;
        let kind = match setting.kind() {
            Kind::Var => "var",
            Kind::Secret => "secret",
        };
        let in_a_route = match setting.scope() {
            Scope::Route => "yes",
            Scope::Global => "no",
        };
        let default = default_cell(setting.default());
        (
            setting.name(),
            cells(row),
            [kind.into(), default, in_a_route.into()],
        )
    }));
    for (row, described) in rows.iter().zip(&table) {
        let name = described.setting.name();
        for word in form_words(described.form) {
            assert!(row[2].contains(&word), "{name}: {word} in {:?}", row[2]);
        }
        let meaning = plain(described.meaning);
        let meaning = meaning.strip_suffix('.').expect("a sentence");
        let said = plain(&row[4]);
        assert!(said.starts_with(meaning), "{name}: {meaning:?} in {said:?}");
    }
}

/// A value of each setting that a route may have. None is the default.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("ALLOWED_ORIGINS", "https://other.example.com"),
    ("ORIGIN_MISSING", "allow"),
    ("REQUIRE_TLS", "false"),
    ("PLAIN_HTTP", "proxy"),
    ("UPSTREAM_URL", "wss://other.example.com"),
    ("UPSTREAM_SERVICE", "CHAT"),
    ("UPSTREAM_OBJECT", "ROOMS/lobby"),
    ("UPSTREAM_CERTIFICATE", "CERTIFICATE"),
    ("UPSTREAM_HEADERS", r#"{"Cookie":null}"#),
    ("UPSTREAM_PLAINTEXT", "true"),
    ("UPSTREAM_TIMEOUT", "1s"),
    (
        "ASSERTION_KEY",
        r#"{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#,
    ),
    ("AUTH", "optional"),
    ("JWT_SECRET", "another secret of thirty-two characters"),
    ("JWT_JWKS", JWKS),
    ("JWT_JWKS_URL", "https://id.example.com/jwks"),
    ("JWT_JWKS_STALE", "5m"),
    (
        "ISSUERS",
        r#"[{"issuer":"a","jwks_url":"https://id.example.com/jwks","audience":"any"}]"#,
    ),
    ("JWT_ALGORITHMS", "HS256"),
    ("JWT_ISSUER", "https://id.example.com"),
    ("JWT_AUDIENCE", "chat"),
    ("JWT_TYP", "at+jwt"),
    ("JWT_LEEWAY", "5s"),
    ("JWT_MAX_AGE", "1h"),
    ("JWT_REPLAY", "reject"),
    ("SUBJECT_CLAIM", "email"),
    ("SESSION_CLAIM", "session_id"),
    ("TOKEN_MAX_BYTES", "8192"),
    ("TOKEN_SOURCES", "cookie:token"),
    ("FIRST_MESSAGE", "pass"),
    ("FIRST_MESSAGE_TIMEOUT", "3s"),
    ("FIRST_MESSAGE_PROTOCOLS", "graphql-transport-ws"),
    ("FIRST_MESSAGE_GREETING", "hello"),
    ("UPSTREAM_GREETING", "pass"),
    ("ON_TOKEN_CONFLICT", "first"),
    ("REQUIRED_SCOPES", "a b"),
    ("SESSION_URL", "https://other.example.com/introspect"),
    ("SESSION_URL_AUTH", "Bearer other"),
    ("SESSION_CACHE", "5s"),
    ("TICKET_TTL", "off"),
    ("TICKET_BINDING", "origin"),
    ("RATE_LIMIT_IP", "off"),
    ("RATE_LIMIT_USER", "5/1m"),
    ("RATE_LIMIT_ROUTE", "5/1m"),
    ("MAX_SOCKETS_IP", "5"),
    ("MAX_SOCKETS_USER", "5"),
    ("IPV6_PREFIX", "56"),
    ("BAN_AFTER", "20/1m for 1h"),
    ("KEY_REPLAY_WINDOW", "off"),
    ("ON_FULL", "close_oldest"),
    ("ON_LIMITER_FAILURE", "admit"),
    ("ON_REGISTRY_FAILURE", "admit"),
    ("LIMITER_TIMEOUT", "1s"),
    ("RELAY", "inspect"),
    ("MAX_MESSAGE_BYTES", "1000"),
    ("MESSAGE_RATE", "5/1s"),
    ("IDLE_TIMEOUT", "1m"),
    ("HEARTBEAT", "20s"),
    ("MAX_LIFETIME", "1h"),
    ("CLOSE_ON_EXPIRY", "true"),
    ("MAX_BACKLOG_BYTES", "1000"),
    ("REJECT_WITH", "close"),
    ("SECURITY_HEADERS", r#"{"X-Frame-Options":null}"#),
    ("MODE", "report"),
    ("LOG_ADMITTED", "10%"),
];
const JWKS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn bound(vars: &[(&str, &str)]) -> Settings {
    let mut settings = minimal_with(&[
        ("SESSION_URL", "https://id.example.com/introspect"),
        ("SESSION_URL_AUTH", "Bearer x"),
        ("JWT_AUDIENCE", "any"),
    ]);
    settings.vars.extend(minimal_with(vars).vars);
    let bindings = [
        ONE_TIME_BINDING,
        REGISTRY_BINDING,
        "CHAT",
        "ROOMS",
        "CERTIFICATE",
    ];
    settings.bindings.extend(bindings.map(str::to_owned));
    settings
}

/// Each route's policy, and what says which tokens open sockets to it.
fn policies(settings: Settings, routes: Value) -> Vec<(String, String)> {
    let site = Site::read(&with_routes(settings, routes)).expect("sound routes");
    let routes = site.routes.iter().map(|route| {
        let policy = &route.policy;
        let realm = policy
            .registering
            .realm(&policy.permission, &Default::default());
        (without_warnings(policy), realm)
    });
    routes.collect()
}

fn route_settings() -> Vec<Description> {
    let mut table = descriptions();
    table.retain(|described| described.setting.scope() == Scope::Route);
    table
}

#[test]
fn a_route_takes_every_setting_that_the_table_has_for_routes() {
    assert!(JWKS.contains(RFC8037_X));
    let names = route_settings();
    assert_eq!(
        OTHER_VALUES
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>(),
        names
            .iter()
            .map(|row| row.setting.name())
            .collect::<Vec<_>>()
    );
    for &(name, value) in OTHER_VALUES {
        let routes = json!([{"path": "/a", name.to_lowercase(): value}, {"path": "/b"}]);
        let is_of_messages = name.starts_with("FIRST_MESSAGE") || name == "UPSTREAM_GREETING";
        let source = [("TOKEN_SOURCES", "message:/token")];
        let all = bound(if is_of_messages { &source } else { &[] });
        let [(own, _), (others, _)] = policies(all, routes).try_into().expect("two");
        let shows = ["UPSTREAM_PLAINTEXT", "JWT_JWKS_STALE"];
        assert_eq!(own == others, shows.contains(&name), "{name} shows");
    }
}

/// Live sockets of two routes are refreshed by one token only if both would accept it.
#[test]
fn what_decides_on_tokens_tells_realms_apart() {
    assert_rows(
        route_settings()
            .iter()
            .zip(OTHER_VALUES)
            .map(|(described, (name, value))| {
                let routes = json!([{"path": "/a", name.to_lowercase(): value}, {"path": "/b"}]);
                let [(_, own), (_, others)] =
                    policies(bound(&[]), routes).try_into().expect("two routes");
                let decides = described.setting.tokens() == Tokens::Decide;
                (name, own != others, decides)
            }),
    );
    // How long something is kept does not change what is accepted.
    let kept = ["JWT_JWKS_STALE", "SESSION_CACHE"];
    assert_rows(descriptions().iter().map(|described| {
        let name = described.setting.name();
        let is_about_tokens = [
            "JWT_",
            "SESSION_",
            "ISSUERS",
            "REQUIRED_SCOPES",
            "SUBJECT_CLAIM",
            "TOKEN_MAX_BYTES",
        ]
        .iter()
        .any(|start| name.starts_with(start));
        (
            name,
            described.setting.tokens() == Tokens::Decide,
            is_about_tokens && !kept.contains(&name),
        )
    }));
}

#[test]
fn a_default_that_is_written_out_changes_nothing() {
    let of = |vars: &[(&str, &str)]| {
        let site = Site::read(&bound(vars)).expect("sound settings");
        format!("{site:?}")
    };
    assert_rows(descriptions().iter().filter_map(|described| {
        let DefaultValue::Value(default) = described.setting.default() else {
            return None;
        };
        let name = described.setting.name();
        Some((name, of(&[(name, default)]), of(&[])))
    }));
}
