//! Settings: defaults, good values, contradictions, and names.

use portcullis::checks::origin::{HostPattern, OriginPattern, OriginRule, PortPattern};
use portcullis::checks::permission::Permission;
use portcullis::config::{Settings, Var};
use portcullis::limits::quota::{Limits, Quota};
use portcullis::policy::{
    Counting, FailurePolicy, Judging, LEDGER_BINDING, Mode, OnFull, PlainHttp, Policy, RejectWith,
    ScopeLimits,
};
use portcullis::relay::RelayMode;
use portcullis::request::address::Ipv6Prefix;
use portcullis::response::security_headers::SecurityHeaders;
use portcullis::token::{Authentication, ClaimName, Expectations, IdentityClaims, Source};
use portcullis::upstream::{Upstream, UpstreamUrl};
use portcullis::util::share::Share;

use crate::common::{
    MINIMAL, assert_rows, minimal_with, ms, object, read, seconds, settings, strings,
};

fn sound(vars: &[(&str, &str)]) -> Policy {
    read(&minimal_with(vars)).expect("sound settings")
}

fn authentication(vars: &[(&str, &str)]) -> Authentication {
    sound(vars).authentication.expect("AUTH is not off")
}

/// What tokens of the one issuer must say.
fn expectations(vars: &[(&str, &str)]) -> Expectations {
    let [issuer] = authentication(vars).issuers.try_into().expect("one issuer");
    issuer.expectations
}

fn exact(host: &str) -> OriginPattern {
    OriginPattern::Tuple {
        scheme: "https".into(),
        host: HostPattern::Exact(host.into()),
        port: PortPattern::Exact(Some(443)),
    }
}

#[test]
fn the_least_settings_give_the_contracts_defaults() {
    let Policy {
        require_tls,
        origins,
        authentication,
        permission,
        upstream,
        upstream_timeout,
        upstream_headers,
        counting,
        mode,
        trial,
        log_admitted,
        plain_http,
        reject_with,
        relay,
        first_message,
        registering,
        security_headers,
        one_time,
        assertion_key,
        warnings,
    } = sound(&[]);
    assert_eq!(
        (one_time.ticket_ttl, one_time.rejects_replay),
        (None, false)
    );
    assert!(assertion_key.is_none());
    assert_eq!(first_message, None);
    assert!(require_tls);
    let rule = OriginRule {
        allowed: vec![exact("app.example.com")],
        missing_is_allowed: false,
    };
    assert_eq!(origins, rule);
    let authentication = authentication.expect("required");
    assert!(authentication.required);
    assert_eq!(
        authentication.sources,
        [Source::Header, Source::Subprotocol]
    );
    assert_eq!(
        format!("{:?}", authentication.issuers),
        "[Issuer { keys: KeySources { fixed: KeyRing { keys: \
         [Key { id: None, algorithms: [Hs256], material: REDACTED }], \
         .. }, remote: None }, \
         expectations: Expectations { issuers: [], audiences: [], leeway: 10s, max_age: None, \
         types: [], names: IdentityClaims { subject: [\"sub\"], session: \"sid\" } } }]"
    );
    assert_eq!(permission, Permission::default());
    let url = UpstreamUrl::parse("wss://chat.example.com", false).map(Upstream::Url);
    assert_eq!(Ok(upstream), url);
    assert_eq!(upstream_timeout, seconds(10));
    assert!(upstream_headers.is_empty());
    let defaults = Counting {
        address: ScopeLimits {
            limits: Limits {
                quota: Quota::new(60, seconds(60)),
                replay_window: Some(seconds(60)),
                ban: None,
            },
            group: String::new(),
            max_sockets: None,
        },
        user: ScopeLimits::default(),
        route: None,
        ipv6_prefix: Ipv6Prefix::default(),
        on_full: OnFull::Refuse,
        on_failure: FailurePolicy::Reject,
        on_registry_failure: FailurePolicy::Reject,
        timeout: seconds(2),
        is_trial: false,
    };
    assert_eq!(counting, defaults);
    assert_eq!((mode, trial), (Mode::Enforce, None));
    assert_eq!(log_admitted, Share::ALL);
    assert_eq!(plain_http, PlainHttp::Reject);
    assert_eq!(reject_with, RejectWith::Http);
    assert_eq!(relay, RelayMode::Passthrough);
    assert_eq!(registering.judging, Judging::Never);
    assert!(!registering.is_held);
    assert_eq!(security_headers, SecurityHeaders::default());
    assert_eq!(warnings, strings(&[]));
}

#[test]
fn every_setting_takes_its_good_values() {
    let require_tls = |value| sound(&[("REQUIRE_TLS", value)]).require_tls;
    assert_eq!((require_tls("true"), require_tls("false")), (true, false));
    let missing = |value| {
        sound(&[("ORIGIN_MISSING", value)])
            .origins
            .missing_is_allowed
    };
    assert_eq!((missing("reject"), missing("allow")), (false, true));
    let required = |value| {
        sound(&[("AUTH", value)])
            .authentication
            .map(|auth| auth.required)
    };
    assert_rows([
        ("required", required("required"), Some(true)),
        ("optional", required("optional"), Some(false)),
        ("off", required("off"), None),
    ]);
    let failure = |value| sound(&[("ON_LIMITER_FAILURE", value)]).counting.on_failure;
    assert_eq!(failure("reject"), FailurePolicy::Reject);
    assert_eq!(failure("admit"), FailurePolicy::Admit);
    let registry = |value| {
        sound(&[("ON_REGISTRY_FAILURE", value)])
            .counting
            .on_registry_failure
    };
    assert_eq!(registry("reject"), FailurePolicy::Reject);
    assert_eq!(registry("admit"), FailurePolicy::Admit);
    let on_full = |value| sound(&[("ON_FULL", value)]).counting.on_full;
    assert_eq!(on_full("refuse"), OnFull::Refuse);
    assert_eq!(on_full("close_oldest"), OnFull::CloseOldest);
    let plain = |value| sound(&[("PLAIN_HTTP", value)]).plain_http;
    assert_eq!(
        (plain("reject"), plain("proxy")),
        (PlainHttp::Reject, PlainHttp::Proxy)
    );
    assert_eq!(
        sound(&[("LIMITER_TIMEOUT", "500ms")]).counting.timeout,
        ms(500)
    );
    assert_eq!(
        sound(&[("UPSTREAM_TIMEOUT", "1m")]).upstream_timeout,
        seconds(60)
    );
    let quota = |value| {
        sound(&[("RATE_LIMIT_IP", value)])
            .counting
            .address
            .limits
            .quota
    };
    assert_rows([
        ("seconds", quota("5/10s"), Quota::new(5, seconds(10))),
        ("days", quota("1/7d"), Quota::new(1, seconds(7 * 86_400))),
        ("off", quota("off"), None),
    ]);
    let replay = |value| {
        let counting = sound(&[("KEY_REPLAY_WINDOW", value)]).counting;
        counting.address.limits.replay_window
    };
    assert_eq!((replay("1h"), replay("off")), (Some(seconds(3600)), None));
    let plaintext = [
        ("UPSTREAM_URL", "ws://a.test"),
        ("UPSTREAM_PLAINTEXT", "true"),
    ];
    let url = UpstreamUrl::parse("ws://a.test", true).map(Upstream::Url);
    assert_eq!(Ok(sound(&plaintext).upstream), url);
    let headers = sound(&[("SECURITY_HEADERS", r#"{"X-Frame-Options":null}"#)]).security_headers;
    let changes = object(r#"{"X-Frame-Options":null}"#);
    assert_eq!(Ok(headers), SecurityHeaders::with(&changes));
    for value in ["\n true\t", "true "] {
        assert!(
            require_tls(value),
            "white space around a value is none of it"
        );
    }
}

#[test]
fn the_tokens_settings_take_their_good_values() {
    let claim = |name| ClaimName::parse(name).expect("a sound name");
    let found = expectations(&[
        ("JWT_ISSUER", "https://a.test, https://b.test"),
        ("JWT_AUDIENCE", "chat"),
        ("JWT_LEEWAY", "30s"),
        ("JWT_MAX_AGE", "7d"),
        ("JWT_TYP", "at+jwt JWT"),
        ("SUBJECT_CLAIM", "/user/id, common_name"),
        ("SESSION_CLAIM", "session_id"),
    ]);
    let expected = Expectations {
        issuers: strings(&["https://a.test", "https://b.test"]),
        audiences: strings(&["chat"]),
        leeway: seconds(30),
        max_age: Some(seconds(7 * 86_400)),
        types: strings(&["at+jwt", "JWT"]),
        names: IdentityClaims {
            subject: vec![claim("/user/id"), claim("common_name")],
            session: claim("session_id"),
        },
    };
    assert_eq!(found, expected);
    assert_eq!(
        expectations(&[("JWT_LEEWAY", "0s")]),
        Expectations::default()
    );
    let sources = |value| authentication(&[("TOKEN_SOURCES", value)]).sources;
    let cookie = |name: &str| Source::Cookie(name.into());
    let query = |name: &str| Source::Query(name.into());
    assert_rows([
        ("one", sources("subprotocol"), vec![Source::Subprotocol]),
        (
            "all",
            sources("query:access_token,cookie:__Host-t header\n subprotocol"),
            vec![
                query("access_token"),
                cookie("__Host-t"),
                Source::Header,
                Source::Subprotocol,
            ],
        ),
        (
            "two cookies",
            sources("cookie:a cookie:b"),
            vec![cookie("a"), cookie("b")],
        ),
        (
            "a colon in a parameter",
            sources("query:a:b"),
            vec![query("a:b")],
        ),
        (
            "of products",
            sources(
                "header:Cf-Access-Jwt-Assertion \
                 subprotocol:base64url.bearer.authorization.k8s.io.",
            ),
            vec![
                Source::NamedHeader("cf-access-jwt-assertion".into()),
                Source::PrefixedSubprotocol("base64url.bearer.authorization.k8s.io.".into()),
            ],
        ),
    ]);
}

#[test]
fn lists_are_separated_by_commas_or_white_space_or_are_arrays() {
    let rule = |vars: Var| {
        let mut settings = settings(&MINIMAL);
        settings.vars.insert("ALLOWED_ORIGINS".into(), vars);
        read(&settings).map(|policy| policy.origins.allowed)
    };
    let text = |text: &str| rule(Var::Text(text.into()));
    let array = |json| rule(Var::Json(serde_json::from_str(json).expect("JSON")));
    let both = || Ok(vec![exact("a.test"), exact("b.test")]);
    assert_rows([
        ("comma", text("https://a.test,https://b.test"), both()),
        ("space", text("https://a.test https://b.test"), both()),
        (
            "lines",
            text("\n  https://a.test,\n  https://b.test,\n"),
            both(),
        ),
        (
            "array",
            array(r#"["https://a.test","https://b.test"]"#),
            both(),
        ),
        ("any", text("*"), Ok(vec![OriginPattern::Any])),
    ]);
}

#[test]
fn any_origin_stands_alone_and_is_a_warning() {
    let warnings = |value| sound(&[("ALLOWED_ORIGINS", value)]).warnings;
    let text = "ALLOWED_ORIGINS: * lets the pages of any site open sockets with the cookies of its \
                visitors";
    assert_rows([
        ("alone", warnings("*"), strings(&[text])),
        ("subdomains", warnings("https://*.a.test"), strings(&[])),
    ]);
    let error = "ALLOWED_ORIGINS: * allows any origin, so the other entries mean nothing; write * \
                 alone, or remove it";
    for value in [
        "https://a.test *",
        "https://a.example, *",
        "*,https://a.test",
        "* *",
    ] {
        let errors = read(&minimal_with(&[("ALLOWED_ORIGINS", value)])).err();
        assert_eq!(errors, Some(strings(&[error])), "{value}");
    }
}

#[test]
fn a_service_binding_stands_for_a_url() {
    let mut service = settings(&MINIMAL);
    service.vars.remove("UPSTREAM_URL");
    service
        .vars
        .insert("UPSTREAM_SERVICE".into(), Var::Text("CHAT".into()));
    let errors = |settings: &Settings| read(settings).err().unwrap_or_default();
    let missing =
        "UPSTREAM_SERVICE: there is no service binding \"CHAT\"; add it under [[services]]";
    assert_eq!(errors(&service), [missing]);
    service.bindings.insert("CHAT".into());
    assert_eq!(
        read(&service).map(|policy| policy.upstream).ok(),
        Some(Upstream::Service("CHAT".into()))
    );
    service.vars.extend(settings(&MINIMAL).vars);
    assert_eq!(
        errors(&service),
        ["UPSTREAM_SERVICE: UPSTREAM_URL is set as well; keep one of them"]
    );
}

#[test]
fn without_settings_all_that_is_missing_is_told_at_once() {
    let errors = read(&Settings::default()).err();
    let expected = strings(&[
        "ALLOWED_ORIGINS: it must be set; list the origins of your pages, like \
         \"https://app.example.com\"",
        "AUTH: no key could verify a token; set JWT_SECRET, JWT_JWKS, JWT_JWKS_URL, ISSUERS or SESSION_URL, or \
         set AUTH to off",
        "UPSTREAM_URL: it must be set, or UPSTREAM_SERVICE or UPSTREAM_OBJECT; write the server's URL, like \
         \"wss://chat.example.com\"",
        "LEDGER: the Durable Object binding is missing, and RATE_LIMIT_IP, \
         RATE_LIMIT_USER, MAX_SOCKETS_IP, MAX_SOCKETS_USER, BAN_AFTER and KEY_REPLAY_WINDOW count \
         there; bind it to the class Ledger as the project's wrangler.toml does",
    ]);
    assert_eq!(errors, Some(expected));
}

#[test]
fn all_errors_are_told_at_once() {
    let errors = read(&settings(&[
        ("ALLOWED_ORIGINS", "https://a.test/ b.test"),
        ("AUTH", "yes"),
        ("JWT_LEEWAY", "5"),
        ("JWT_SECRET", "short"),
        ("MODE", "reported"),
        ("RATE_LIMIT_IP", "60"),
        ("REQUIRE_TLS", "no"),
        ("UPSTREAM_URL", "wss://a.test?b"),
        ("allowed_origin", "x"),
    ]));
    let names: Vec<_> = errors
        .err()
        .unwrap_or_default()
        .iter()
        .map(|error| error.split(": ").next().unwrap_or_default().to_owned())
        .collect();
    let expected = [
        "MODE",
        "allowed_origin",
        "REQUIRE_TLS",
        "ALLOWED_ORIGINS",
        "ALLOWED_ORIGINS",
        "AUTH",
        "JWT_LEEWAY",
        "JWT_SECRET",
        "UPSTREAM_URL",
        "RATE_LIMIT_IP",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_environment_is_read_from_json() {
    let read = |json| Settings::from_json(json).map(|settings| (settings.vars, settings.bindings));
    let (vars, bindings) =
        read(r#"{"vars":{"A":"x","B":true,"C":5,"D":["x"],"E":{"f":1}},"bindings":["LEDGER"]}"#)
            .expect("sound");
    let json = |text| Var::Json(serde_json::from_str(text).expect("JSON"));
    let expected = [
        ("A", Var::Text("x".into())),
        ("B", Var::Text("true".into())),
        ("C", Var::Text("5".into())),
        ("D", json(r#"["x"]"#)),
        ("E", json(r#"{"f":1}"#)),
    ];
    assert!(vars == expected.map(|(name, var)| (name.to_owned(), var)).into());
    assert_eq!(bindings, [LEDGER_BINDING.to_owned()].into());
    assert!(read("{}").is_err());
}

#[test]
fn no_setting_shows_its_value_in_debug() {
    let settings = minimal_with(&[("ADMIN_TOKEN", "s3cret")]);
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("thirty-two"),
        "{shown}"
    );
    assert!(!format!("{:?}", sound(&[])).contains("thirty-two"));
}
