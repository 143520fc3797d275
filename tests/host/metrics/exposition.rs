//! Metrics as OpenMetrics text.

use portcullis::metrics::{
    CallResult, GateHealth, KeySetAge, MetricsRequest, MetricsResponse, ObjectKind, Statistics,
    Tally, open_metrics,
};
use portcullis::record::{Record, Stage};
use portcullis::registry::Census;
use portcullis::request::address::{ClientAddress, Ipv6Prefix};

use crate::common::{NOW, seconds};

#[test]
fn the_whole_text() {
    let mut tally = Tally::default();
    let address = ClientAddress::parse(Some("192.0.2.7")).key(Ipv6Prefix::default());
    let mut record = Record::begin(address, "0123", String::new());
    record.reason = Some("token_expired");
    record.route = Some("/a\"b\\c".into());
    record.duration_ms = 7;
    tally.note(&record);
    tally.note_stage(Stage::Token, 1);
    tally.note_stage(Stage::Token, 20_000);
    tally.note_call(ObjectKind::Ledger, CallResult::TimedOut);
    let age = KeySetAge { fetched: NOW };
    tally.key_sets.insert("https://id.example/jwks".into(), age);
    let mut statistics = Statistics::default();
    let read = MetricsRequest::Read(Box::new(tally));
    let (response, _) = statistics.step(read, NOW);
    let MetricsResponse::Statistics(statistics) = response else {
        panic!("{response:?}");
    };
    let census = Census {
        sockets: 3,
        routes: vec![("/rooms/{room}".into(), 3)],
        subjects: Vec::new(),
    };
    let health = GateHealth {
        version: "1",
        configuration: "0a".into(),
        warnings: Vec::new(),
        key_sets: Vec::new(),
        routes: Vec::new(),
        metrics: true,
    };
    let text = open_metrics(*statistics, census, health, NOW + seconds(60));
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        r#"portcullis_decisions_total{outcome="refused",reason="token_expired",route="/a\"b\\c",mode="enforce",would_be=""} 1"#,
        r#"portcullis_live_sockets{route="/rooms/{room}"} 3.0"#,
        r#"portcullis_decision_duration_seconds_bucket{le="0.005"} 0"#,
        r#"portcullis_decision_duration_seconds_bucket{le="0.01"} 1"#,
        r#"portcullis_stage_duration_seconds_sum{stage="token"} 20.001"#,
        r#"portcullis_stage_duration_seconds_bucket{le="10.0",stage="token"} 1"#,
        r#"portcullis_stage_duration_seconds_bucket{le="+Inf",stage="token"} 2"#,
        r#"portcullis_object_calls_total{object="ledger",result="timed_out"} 1"#,
        r#"portcullis_key_set_age_seconds{url="https://id.example/jwks"} 60.0"#,
        &format!(r#"portcullis_build{{version="{version}",configuration="0a"}} 1.0"#),
        "# TYPE portcullis_decisions counter",
        "# EOF",
    ];
    for line in expected {
        assert!(
            text.lines().any(|known| known == line),
            "{line}\nnot in\n{text}"
        );
    }
}
