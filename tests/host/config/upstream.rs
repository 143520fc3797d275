//! `UPSTREAM_CERTIFICATE`, and the server it is for.

use portcullis::config::Settings;
use portcullis::policy::Site;
use portcullis::upstream::Upstream;
use serde_json::{Value, json};

use super::{site_errors, with_routes};
use crate::common::{assert_rows, minimal_with, strings};

const CERTIFICATE: (&str, &str) = ("UPSTREAM_CERTIFICATE", "CLIENT");

fn bound(vars: &[(&str, &str)]) -> Settings {
    let mut settings = minimal_with(vars);
    let bindings = ["CLIENT", "OTHER", "CHAT", "ROOMS"];
    settings.bindings.extend(bindings.map(str::to_owned));
    settings
}

#[test]
fn a_certificate_needs_a_binding_and_a_server_behind_tls() {
    let other = |name: &str| {
        format!(
            "UPSTREAM_CERTIFICATE: {name} is set, and only a server that UPSTREAM_URL names is \
             shown a certificate; remove one of the two"
        )
    };
    let without_url = |name: &str, value: &str| {
        let mut settings = bound(&[CERTIFICATE, (name, value)]);
        settings.vars.remove("UPSTREAM_URL");
        site_errors(&settings)
    };
    assert_rows([
        ("sound", site_errors(&bound(&[CERTIFICATE])), vec![]),
        (
            "no binding",
            site_errors(&minimal_with(&[CERTIFICATE])),
            strings(&[
                "UPSTREAM_CERTIFICATE: there is no certificate binding \"CLIENT\"; add it under \
                 [[mtls_certificates]]",
            ]),
        ),
        (
            "a service",
            without_url("UPSTREAM_SERVICE", "CHAT"),
            vec![other("UPSTREAM_SERVICE")],
        ),
        (
            "an object",
            without_url("UPSTREAM_OBJECT", "ROOMS/a"),
            vec![other("UPSTREAM_OBJECT")],
        ),
        (
            "no TLS",
            site_errors(&bound(&[CERTIFICATE, ("UPSTREAM_URL", "ws://localhost")])),
            strings(&[
                "UPSTREAM_CERTIFICATE: UPSTREAM_URL is not encrypted, so no certificate is shown; \
                 write wss:// or https:// there, or remove this",
            ]),
        ),
    ]);
}

/// A certificate is for one server: it does not follow when a route names another.
#[test]
fn a_route_with_a_server_of_its_own_inherits_no_certificate() {
    let certificate = |route: Value| {
        let settings = with_routes(bound(&[CERTIFICATE]), json!([route]));
        let site = Site::read(&settings).expect("sound");
        let mut routes = site.routes.iter();
        match &routes.next().expect("one route").policy.upstream {
            Upstream::Url(url) => url.certificate.clone(),
            _ => None,
        }
    };
    let url = "wss://other.test";
    assert_rows([
        (
            "inherited",
            certificate(json!({"path": "/"})),
            Some("CLIENT".into()),
        ),
        (
            "its own",
            certificate(json!({"path": "/", "upstream_certificate": "OTHER"})),
            Some("OTHER".into()),
        ),
        (
            "another server",
            certificate(json!({"path": "/", "upstream_url": url})),
            None,
        ),
        (
            "another server and its own",
            certificate(json!({
                "path": "/", "upstream_url": url, "upstream_certificate": "OTHER",
            })),
            Some("OTHER".into()),
        ),
        (
            "a service",
            certificate(json!({"path": "/", "upstream_service": "CHAT"})),
            None,
        ),
    ]);
}
