//! Metrics as OpenMetrics text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::overview::GateHealth;
use super::statistics::Statistics;
use super::{BOUNDS, Histogram};
use crate::registry::Census;
use crate::util::time::{Timestamp, millis};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes all metrics at the time `now`.
pub fn open_metrics(
    statistics: Statistics,
    census: Census,
    health: GateHealth,
    now: Timestamp,
) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics {
        statistics,
        census,
        health,
        now,
    }));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a text takes everything");
    text
}

struct Metrics {
    statistics: Statistics,
    census: Census,
    health: GateHealth,
    now: Timestamp,
}

/// A collector must have this, and nothing prints it.
impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// The labels of a series.
type Labels = Vec<(&'static str, String)>;

/// A metric with its series.
struct Family<'a> {
    name: &'static str,
    help: &'static str,
    unit: Option<&'a Unit>,
    series: Series<'a>,
}

enum Series<'a> {
    Counters(Vec<(Labels, u64)>),
    Gauges(Vec<(Labels, f64)>),
    Histograms(Vec<(Labels, &'a Histogram)>),
}

impl Family<'_> {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.series {
            Series::Counters(_) => MetricType::Counter,
            Series::Gauges(_) => MetricType::Gauge,
            Series::Histograms(_) => MetricType::Histogram,
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, self.unit, kind)?;
        match &self.series {
            Series::Counters(all) => {
                for (labels, count) in all {
                    family
                        .encode_family(labels)?
                        .encode_counter::<NoLabelSet, _, u64>(count, None)?;
                }
            }
            Series::Gauges(all) => {
                for (labels, value) in all {
                    family.encode_family(labels)?.encode_gauge(value)?;
                }
            }
            Series::Histograms(all) => {
                for (labels, histogram) in all {
                    histogram.encode(family.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// In seconds.
impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1000.0);
        let bounds = bounds.chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.counts().iter().copied()).collect();
        let sum = self.sum() as f64 / 1000.0;
        encoder.encode_histogram::<NoLabelSet>(sum, self.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.families() {
            family.encode(&mut encoder)?;
        }
        Ok(())
    }
}

impl Metrics {
    fn families(&self) -> Vec<Family<'_>> {
        let Self {
            statistics, census, ..
        } = self;
        let decisions = statistics.decisions.iter().map(|(decision, count)| {
            let labels = vec![
                ("outcome", decision.outcome.to_string()),
                ("reason", decision.reason.to_string()),
                ("route", decision.route.to_string()),
                ("mode", decision.mode.to_string()),
                ("would_be", decision.would_be.to_string()),
            ];
            (labels, *count)
        });
        let closings = statistics.closings.iter().map(|(closing, count)| {
            let labels = vec![
                ("code", closing.code.to_string()),
                ("reason", closing.reason.to_string()),
                ("route", closing.route.to_string()),
            ];
            (labels, *count)
        });
        let calls = statistics.calls.iter().map(|(called, count)| {
            let labels = vec![
                ("object", called.object.name().to_owned()),
                ("result", called.result.name().to_owned()),
            ];
            (labels, *count)
        });
        let stages = statistics.stages.iter();
        let stages =
            stages.map(|(stage, histogram)| (vec![("stage", stage.to_string())], histogram));
        let sockets = census.routes.iter();
        let sockets = sockets.map(|(route, count)| (vec![("route", route.clone())], *count as f64));
        let ages = statistics.key_sets.iter().map(|(url, age)| {
            let age = millis(self.now.since(age.fetched)) as f64 / 1000.0;
            (vec![("url", url.clone())], age)
        });
        let build = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("configuration", self.health.configuration.clone()),
        ];
        vec![
            Family {
                name: "portcullis_decisions",
                help: "Attempts by what was decided",
                unit: None,
                series: Series::Counters(decisions.collect()),
            },
            Family {
                name: "portcullis_closed_sockets",
                help: "Inspected sockets that ended",
                unit: None,
                series: Series::Counters(closings.collect()),
            },
            Family {
                name: "portcullis_live_sockets",
                help: "Inspected sockets that are open",
                unit: None,
                series: Series::Gauges(sockets.collect()),
            },
            Family {
                name: "portcullis_decision_duration",
                help: "From the request to the decision, what was waited for alone",
                unit: Some(&Unit::Seconds),
                series: Series::Histograms(vec![(Vec::new(), &statistics.durations)]),
            },
            Family {
                name: "portcullis_stage_duration",
                help: "In one stage of the journey, what was waited for alone",
                unit: Some(&Unit::Seconds),
                series: Series::Histograms(stages.collect()),
            },
            Family {
                name: "portcullis_object_calls",
                help: "Calls to Durable Objects",
                unit: None,
                series: Series::Counters(calls.collect()),
            },
            Family {
                name: "portcullis_reports",
                help: "Reports of isolates that were added up",
                unit: None,
                series: Series::Counters(vec![(Vec::new(), statistics.reports)]),
            },
            Family {
                name: "portcullis_key_set_age",
                help: "Since the newest copy of a key set was fetched",
                unit: Some(&Unit::Seconds),
                series: Series::Gauges(ages.collect()),
            },
            Family {
                name: "portcullis_build",
                help: "The version of the gate, and a digest of its settings without secrets",
                unit: None,
                series: Series::Gauges(vec![(build, 1.0)]),
            },
        ]
    }
}
