//! The whole limiter against an oracle that remembers every admission: the gates' own journeys
//! over several isolates, the ledgers of addresses and users, the quotas of routes; with messages
//! that are lost, doubled, late and out of order, time-outs, evictions, isolates that vanish, and
//! one clock that jumps.

mod counting;
mod edge;
mod world;

use std::cell::Cell;

use base64ct::{Base64, Encoding};
use portcullis::config::Settings;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use world::{Liar, Weather, World};

use crate::common::crowd::greatest_crowd;
use crate::common::{Ask, SECRET, cases, hs256, settings};

#[derive(Debug, Clone)]
enum Move {
    /// So many requests: the isolate, address, user, path and key of each, and a pause.
    Requests(u64, Vec<(usize, u8, u8, bool, u8)>),
    Pass(u64),
    Jump(i64),
    Vanish(usize),
    Evict,
}

#[derive(Debug, Clone, Copy)]
struct Quotas {
    address: (u32, u64),
    user: (u32, u64),
    /// Of `/wide` and of `/narrow`.
    routes: [(u32, u64); 2],
    /// Where keys are remembered, addresses are lent nothing.
    remembers_keys: bool,
}

fn quotas() -> impl Strategy<Value = Quotas> {
    let window = || select(vec![400_u64, 1000, 5000]);
    let of = |counts: Vec<u32>| (select(counts), window());
    (
        of(vec![2, 100, 128, 400]),
        of(vec![3, 100, 128, 400]),
        of(vec![128, 140]),
        of(vec![2, 7]),
        any::<bool>(),
    )
        .prop_map(|(address, user, wide, narrow, remembers_keys)| Quotas {
            address,
            user,
            routes: [wide, narrow],
            remembers_keys,
        })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let request = (
        0..3_usize,
        0..40_u8,
        0..40_u8,
        prop::bool::weighted(0.8),
        0..12_u8,
    );
    let one = prop_oneof![
        6 => (select(vec![0_u64, 1, 9]), vec(request, 1..70)).prop_map(|(pause, all)| Move::Requests(pause, all)),
        3 => (0..6000_u64).prop_map(Move::Pass),
        2 => select(vec![-100_000_i64, -5000, -900, 400, 1000, 5000, 100_000]).prop_map(Move::Jump),
        1 => (0..3_usize).prop_map(Move::Vanish),
        1 => Just(Move::Evict),
    ];
    vec(one, 1..9)
}

fn weather() -> impl Strategy<Value = Weather> {
    let liar = select(vec![
        Liar::Nobody,
        Liar::Isolate(0),
        Liar::Isolate(2),
        Liar::RouteQuotas,
    ]);
    let timeout = select(vec![0_u64, 40, 1000]);
    let lateness = select(vec![100_u64, 3000, 20_000]);
    (liar, 0..3_u32, lateness, timeout, any::<[u8; 32]>()).prop_map(
        |(liar, faults, lateness, timeout, seed)| {
            let is_the_routes = liar == Liar::RouteQuotas;
            Weather {
                liar,
                faults: faults * 15,
                // While that clock is wrong, the isolates' tells the time, as far as their
                // messages are under way.
                lateness: if is_the_routes { 90 } else { lateness },
                timeout: if is_the_routes {
                    timeout.min(40)
                } else {
                    timeout
                },
                seed,
            }
        },
    )
}

fn gate_settings(quotas: Quotas, timeout: u64) -> Settings {
    let text = |(count, window): (u32, u64)| format!("{count}/{window}ms");
    let routes = format!(
        r#"[{{"path":"/wide","rate_limit_route":"{}"}},{{"path":"/narrow","rate_limit_route":"{}"}}]"#,
        text(quotas.routes[0]),
        text(quotas.routes[1])
    );
    let secret = String::from_utf8(SECRET.to_vec()).expect("text");
    settings(&[
        ("ALLOWED_ORIGINS", "https://app.example"),
        ("UPSTREAM_URL", "wss://chat.example"),
        ("JWT_SECRET", &secret),
        ("RATE_LIMIT_IP", &text(quotas.address)),
        ("RATE_LIMIT_USER", &text(quotas.user)),
        (
            "KEY_REPLAY_WINDOW",
            if quotas.remembers_keys { "1m" } else { "off" },
        ),
        ("LIMITER_TIMEOUT", &format!("{}ms", timeout.max(1))),
        ("ROUTES", &routes),
    ])
}

fn ask(address: u8, user: u8, path: &str, key: u8, serial: u64) -> Ask {
    // One address for many requests and one user for many addresses, or hardly any alike.
    let address = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "2001:db8::1",
        "2001:db8:0:1::1",
    ][usize::from(address) % 5];
    let token = hs256(&format!(r#"{{"sub":"user {user}","exp":4000000000}}"#));
    // Some keys are used again.
    let key = match key {
        0 => 0,
        _ => u128::from(serial) << 8,
    };
    let mut ask = Ask::upgrade()
        .url(&format!("https://gate.example{path}"))
        .with("origin", "https://app.example")
        .with("authorization", &format!("Bearer {token}"))
        .with(
            "sec-websocket-key",
            &Base64::encode_string(&key.to_be_bytes()),
        );
    ask.address = Some(address);
    ask
}

#[test]
fn never_one_admission_too_many_for_any_key() {
    let (schedules, requests) = (Cell::new(0_u64), Cell::new(0_u64));
    let (admitted, calls) = (Cell::new(0_u64), Cell::new(0_u64));
    let add = |cell: &Cell<u64>, count: u64| cell.set(cell.get() + count);
    let plan = (quotas(), moves(), weather());
    let outcome = TestRunner::new(cases(1500)).run(&plan, |(quotas, moves, weather)| {
        let liar = weather.liar;
        let timeout = weather.timeout;
        let world = World::new(gate_settings(quotas, timeout), 3, weather);
        for made in moves {
            match made {
                Move::Requests(pause, all) => {
                    for (isolate, address, user, is_wide, key) in all {
                        let path = if is_wide { "/wide" } else { "/narrow" };
                        let user = user % 6;
                        let ask = ask(address, user, path, key, world.number());
                        let address = ask.address.unwrap_or_default().to_owned();
                        edge::knock(
                            &world,
                            isolate,
                            ask,
                            address,
                            format!("user {user}"),
                            path.into(),
                        );
                        world.pass(pause);
                        add(&requests, 1);
                    }
                }
                Move::Pass(length) => world.pass(length),
                Move::Jump(length) => world.wrong.set(world.wrong.get() + length),
                Move::Vanish(isolate) => world.vanish(isolate),
                Move::Evict => world.evict(),
            }
        }
        world.pass(30_000);
        for (what, times) in world.admitted.borrow().iter() {
            let ((count, window), under_way) = match what.as_str() {
                "/wide" => (quotas.routes[0], timeout),
                "/narrow" => (quotas.routes[1], timeout),
                user if user.starts_with("user") => (quotas.user, 0),
                _ => (quotas.address, 0),
            };
            let is_uncertain = liar == Liar::RouteQuotas;
            let window = window - if is_uncertain { under_way } else { 0 };
            let crowd = greatest_crowd(times.iter().copied(), window);
            prop_assert!(
                crowd <= count as usize,
                "{}: {} of {} in {:?}",
                what,
                crowd,
                count,
                times
            );
        }
        add(&schedules, 1);
        let sockets = world.admitted.borrow();
        add(
            &admitted,
            sockets
                .values()
                .map(|times| times.len() as u64)
                .sum::<u64>()
                / 3,
        );
        add(&calls, world.calls.get());
        Ok(())
    });
    println!(
        "{} schedules: {} requests, {} admitted, {} calls",
        schedules.get(),
        requests.get(),
        admitted.get(),
        calls.get()
    );
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
