//! The simulation of limits: `cargo bench --bench limits`. It drives the decisions themselves,
//! prints what they cost, and draws docs/limits.svg.

#![allow(clippy::pedantic, reason = "nothing depends on a simulation")]

#[path = "../../tests/host/common/counters.rs"]
mod counters;
#[path = "../../tests/host/common/crowd.rs"]
mod crowd;
mod dice;
mod flood;
mod plot;
mod route;

use std::time::Duration;

use flood::Crowd;
use plot::{Line, Plot};
use portcullis::limits::quota::Quota;
use route::Load;

/// Cloudflare's list prices in US dollars per million, as its documentation had them in November
/// 2026: requests of Workers and of Durable Objects, milliseconds of CPU, GB-seconds, rows.
const WORKER_REQUEST: f64 = 0.30;
const CPU: f64 = 0.02;
const OBJECT_REQUEST: f64 = 0.15;
const GB_SECOND: f64 = 12.50;
const ROW: f64 = 1.00;

/// What an upgrade takes of CPU, and a question of an object's time, in milliseconds; and the
/// memory that an object is billed for, in GB.
const CPU_OF_AN_UPGRADE: f64 = 0.4;
const TIME_OF_A_QUESTION: f64 = 1.0;
const MEMORY: f64 = 0.128;

/// Dollars per million upgrades that each bring this many calls and rows.
fn cost(upgrades: f64, questions: f64, rows: f64) -> f64 {
    let worker = upgrades * (WORKER_REQUEST + CPU * CPU_OF_AN_UPGRADE);
    let duration = TIME_OF_A_QUESTION / 1000.0 * MEMORY * GB_SECOND;
    worker + questions * (OBJECT_REQUEST + duration) + rows * ROW
}

fn main() {
    let routes = routes();
    let crowds = crowds();
    let svg = plot::draw(&[routes, crowds]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.svg");
    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
        .and_then(|()| std::fs::write(path, svg))
        .expect("the plot can be written");
}

fn routes() -> Plot {
    println!("A route's quota; each isolate 2 to 62 ms from the object, all start at once.\n");
    println!(
        "| quota | isolates | upgrades/s | admitted | of what one exact counter would | questions per admission | \
         questions refused per refusal | unanswered | peak questions/s | rows per admission | row, bytes | \
         $ per million admitted |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut lines = Vec::new();
    for (count, window, seconds) in [(600_000, 60, 80), (10_000, 1, 40)] {
        for isolates in [1, 10, 100, 1000] {
            let mut points = Vec::new();
            for rate in [10.0, 100.0, 1000.0, 5000.0, 10_000.0, 20_000.0] {
                let quota = Quota::new(count, Duration::from_secs(window)).expect("a quota");
                let load = Load {
                    quota,
                    isolates,
                    rate,
                    seconds,
                };
                let outcome = route::run(load);
                assert!(outcome.greatest_crowd <= count as usize, "over-admitted");
                let admitted = outcome.admitted as f64;
                let could = by_one_counter(count, window, rate, seconds);
                let questions = outcome.questions as f64 / admitted;
                let rows = outcome.rows_written as f64 / admitted;
                let refused = outcome.refused.max(1) as f64;
                println!(
                    "| {count}/{window}s | {isolates} | {rate} | {} | {:.1} % | {questions:.4} | {:.4} | {} | {} | {rows:.4} | {} | {:.2} |",
                    outcome.admitted,
                    100.0 * admitted / could,
                    outcome.questions_refused as f64 / refused,
                    outcome.failed,
                    outcome.most_questions_in_a_second,
                    outcome.longest_row,
                    cost(1.0, questions, rows),
                );
                points.push((rate, questions));
            }
            if window == 60 {
                let name = match isolates {
                    1 => "one isolate".to_owned(),
                    _ => format!("{isolates} isolates"),
                };
                lines.push(Line { name, points });
            }
        }
    }
    Plot {
        title: "Route quota 600000/1m: calls per admission",
        across: "upgrades per second",
        lines,
        x: (1, 5),
        y: (-4, 1),
    }
}

/// How many of these requests per second a single counter for all of them would admit.
fn by_one_counter(count: u32, window: u64, rate: f64, seconds: u64) -> f64 {
    let in_a_window = |length: u64| (rate * length as f64).min(count.into());
    in_a_window(window) * (seconds / window) as f64 + in_a_window(seconds % window)
}

fn crowds() -> Plot {
    println!("\nAddresses, each of which comes to four isolates of 1,000.\n");
    println!(
        "| addresses | replay window | from second | attempts | admitted | refused | calls per admission | calls per refusal | \
         rows per admission | keys | bytes per key | longest row | peak calls/s of one object | \
         $ per million admitted | $ per million refused |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let among_a_million = Crowd {
        isolates: 1000,
        addresses: 1_000_000,
        one_in: 1,
        skew: 1.0,
        attempts: 1_500_000,
        seconds: 60,
        from: 0,
        quota: "60/1m",
        replay_window: "1m",
    };
    report(among_a_million);
    let later = Crowd {
        one_in: 100,
        attempts: 120 * among_a_million.attempts,
        seconds: 7200,
        from: 3600,
        ..among_a_million
    };
    report(later);
    report(Crowd {
        replay_window: "off",
        ..later
    });
    // Each comes 25 times a second, to four isolates.
    report(Crowd {
        addresses: 100,
        one_in: 1,
        skew: 0.0,
        attempts: 300_000,
        seconds: 120,
        from: 60,
        quota: "3000/1m",
        replay_window: "off",
        ..among_a_million
    });
    let mut points = Vec::new();
    let crowded = [12, 20, 30, 60].map(|attempts| (100_000, attempts));
    let hot = [200, 1000].map(|attempts| (2000, attempts));
    for (addresses, per_address) in crowded.into_iter().chain(hot) {
        let flood = Crowd {
            addresses,
            skew: 0.0,
            attempts: addresses as u64 * per_address,
            quota: "10/1m",
            ..among_a_million
        };
        points.push((per_address as f64, report(flood)));
    }
    Plot {
        title: "Flood against 10/1m: calls per refusal",
        across: "attempts of each address in a minute",
        lines: vec![Line {
            name: "each address at four isolates".into(),
            points,
        }],
        x: (1, 3),
        y: (-4, 1),
    }
}

/// Prints the result for a crowd, and returns the calls per refusal.
fn report(crowd: Crowd) -> f64 {
    let outcome = flood::run(crowd);
    let admitted = outcome.admitted as f64;
    let refused = outcome.refused.max(1) as f64;
    let calls = outcome.calls_of_admitted as f64 / admitted;
    let calls_of_refused = outcome.calls_of_refused as f64 / refused;
    let rows = (outcome.rows_written + outcome.alarms) as f64 / admitted;
    println!(
        "| {} {} | {} | {} | {} | {} | {} | {calls:.3} | {calls_of_refused:.4} | {rows:.3} | {} | {:.0} | {} | {} | {:.2} | {:.2} |",
        crowd.addresses,
        crowd.quota,
        crowd.replay_window,
        crowd.from,
        crowd.attempts,
        outcome.admitted,
        outcome.refused,
        outcome.keys,
        outcome.average_row,
        outcome.longest_row,
        outcome.most_calls_in_a_second,
        cost(1.0, calls, rows),
        cost(1.0, calls_of_refused, 0.0),
    );
    calls_of_refused
}
