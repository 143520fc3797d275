mod dice;
mod route;
use portcullis::ledger::Quota;
use std::time::Duration;
fn main() {
    for (count, window) in [(10_000u32, 1u64), (600_000, 60), (1000, 60), (100, 1)] {
        let per_second = count as f64 / window as f64;
        println!("quota {count}/{window}s");
        for isolates in [1, 10, 100, 1000] {
            for part in [0.1, 0.5, 1.0, 2.0] {
                let rate = per_second * part;
                let load = route::Load {
                    quota: Quota::new(count, Duration::from_secs(window)).unwrap(),
                    isolates,
                    rate,
                    seconds: 30.max(2 * window),
                };
                let o = route::run(load);
                let possible = (rate.min(per_second)) * load.seconds as f64 + count as f64;
                let possible = possible.min(o.requests as f64);
                println!(
                    "{isolates:5} isolates {rate:8.0}/s: admitted {:8} ({:5.1}% of possible) refused {:7} failed {:4} questions {:7} ({:.4}/adm) refusedq {:6} peak {:5} rows {:7} timers {:7} row {} crowd {}",
                    o.admitted,
                    100.0 * o.admitted as f64 / possible,
                    o.refused,
                    o.failed,
                    o.questions,
                    o.questions as f64 / o.admitted as f64,
                    o.questions_refused,
                    o.most_questions_in_a_second,
                    o.rows_written,
                    o.timers,
                    o.longest_row,
                    o.greatest_crowd
                );
            }
        }
    }
}
