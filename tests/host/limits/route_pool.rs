//! A route's quota between isolates and its object, step by step.

use std::time::Duration;

use portcullis::limits::KEPT_FOR;
use portcullis::limits::quota::Quota;
use portcullis::limits::route_pool::{
    Admission, Alarm, Decision, Holder, HolderTask, Pool, PoolGrant, PoolOperation, PoolRequest,
    PoolResponse,
};
use portcullis::util::time::{Timestamp, millis};

use crate::common::{assert_rows, ms, seconds};

const START: u64 = 1_800_000_000_000;
const TIMEOUT: Duration = Duration::from_secs(2);

fn at(offset: u64) -> Timestamp {
    Timestamp(START + offset)
}

fn quota(count: u32, window: u64) -> Quota {
    Quota::new(count, seconds(window)).expect("a quota")
}

fn ask(isolate: u64, number: u64, quota: Quota, offset: u64, wish: PoolOperation) -> PoolRequest {
    PoolRequest {
        quota,
        isolate,
        number,
        sent: at(offset),
        wish,
    }
}

fn given(response: PoolResponse) -> PoolGrant {
    match response {
        PoolResponse::Granted(given) => given,
        PoolResponse::Stale => panic!("the question is not stale"),
    }
}

/// Steps with clocks that agree.
fn step(pool: &mut Pool, request: PoolRequest) -> PoolGrant {
    given(pool.step(&request, request.sent).0)
}

fn lend(used: u32, keep: u32, want: u32) -> PoolOperation {
    PoolOperation::Share {
        admits: false,
        used,
        keep,
        want,
    }
}

fn new_request(holder: &mut Holder, offset: u64) -> (Decision, Vec<HolderTask>) {
    holder.decide(Duration::ZERO, at(offset), TIMEOUT)
}

#[test]
fn a_small_quota_is_exact_to_the_millisecond() {
    let quota = quota(2, 60);
    let mut pool = Pool::default();
    let mut admit = |number, offset| {
        let PoolGrant { admits, wait, .. } = step(
            &mut pool,
            ask(1, number, quota, offset, PoolOperation::Admit),
        );
        (admits, wait)
    };
    assert_eq!(admit(1, 0), (true, ms(0)));
    assert_eq!(admit(2, 1000), (true, ms(59_000)));
    assert_eq!(admit(3, 1001), (false, ms(58_999)));
    assert_eq!(admit(4, 59_999), (false, ms(1)));
    assert_eq!(admit(5, 60_000), (true, ms(1000)));
    assert_eq!(admit(6, 60_999), (false, ms(1)));
    assert_eq!(admit(7, 61_000), (true, ms(59_000)));
}

#[test]
fn a_share_is_at_most_an_eighth_of_what_is_free() {
    let quota = quota(800, 60);
    let mut pool = Pool::default();
    let mut share =
        |isolate, number, wish| step(&mut pool, ask(isolate, number, quota, 0, wish)).share;
    assert_eq!(share(1, 1, lend(0, 0, 300)), 100);
    assert_eq!(share(2, 1, lend(0, 0, 300)), 87);
    assert_eq!(share(3, 1, lend(0, 0, 10)), 10);
    // What is used counts, what is given back is free.
    assert_eq!(share(1, 2, lend(60, 0, 0)), 0);
    assert_eq!(share(3, 2, lend(0, 0, 400)), (800 - 60 - 87) / 8);
}

#[test]
fn when_all_want_more_than_there_is_each_is_lent_the_same_part() {
    let quota = quota(800, 60);
    let mut pool = Pool::default();
    for isolate in 1..=40 {
        step(&mut pool, ask(isolate, 1, quota, 0, lend(0, 0, 40)));
    }
    // The first had more, and what it keeps beyond its part comes back with its next account.
    assert_eq!(
        step(&mut pool, ask(1, 2, quota, 0, lend(0, 40, 40))).share,
        20
    );
    assert_eq!(
        step(&mut pool, ask(1, 3, quota, 0, lend(0, 20, 40))).share,
        20
    );
    let free = step(&mut pool, ask(41, 1, quota, 0, lend(0, 0, 40)));
    assert!(free.share <= 800 / 41, "{free:?}");
}

#[test]
fn a_small_quota_is_not_lent() {
    let mut pool = Pool::default();
    let quota = quota(127, 60);
    assert_eq!(step(&mut pool, ask(1, 1, quota, 0, lend(0, 0, 9))).share, 0);
}

#[test]
fn a_question_that_another_overtook_changes_nothing() {
    let quota = quota(800, 60);
    let mut pool = Pool::default();
    assert_eq!(
        step(&mut pool, ask(1, 2, quota, 0, lend(0, 0, 50))).share,
        50
    );
    for number in [1, 2] {
        let late = ask(1, number, quota, 0, lend(0, 0, 0));
        assert_eq!(pool.step(&late, at(0)), (PoolResponse::Stale, None));
    }
    assert_eq!(
        step(&mut pool, ask(2, 1, quota, 0, lend(0, 0, 800))).share,
        (800 - 50) / 8
    );
}

#[test]
fn a_share_that_nobody_renews_counts_until_lease_and_window_are_over() {
    let quota = quota(160, 60);
    let mut pool = Pool::default();
    assert_eq!(
        step(&mut pool, ask(1, 1, quota, 0, lend(0, 0, 20))).share,
        20
    );
    let mut share =
        |number, offset| step(&mut pool, ask(2, number, quota, offset, lend(0, 0, 160))).share;
    assert_eq!(share(1, 69_999), 140 / 8);
    assert_eq!(share(2, 70_000), 160 / 8);
}

#[test]
fn after_a_restart_all_that_was_lent_counts_as_long() {
    let quota = quota(160, 60);
    let (_, row) = Pool::default().step(&ask(1, 1, quota, 0, lend(0, 0, 20)), at(0));
    let mut pool = Pool::load(&row.expect("it was lent")).expect("its own row");
    // The isolate's account changes nothing any more.
    let account = ask(1, 2, quota, 1000, lend(5, 10, 0));
    assert_eq!(step(&mut pool, account).share, 0);
    let mut share =
        |number, offset| step(&mut pool, ask(2, number, quota, offset, lend(0, 0, 160))).share;
    assert_eq!(share(1, 69_000), 140 / 8);
    assert_eq!(share(2, 71_000), 160 / 8);
}

#[test]
fn an_admission_is_given_back_once() {
    let quota = quota(2, 60);
    let mut pool = Pool::default();
    let mut say = |number, wish| step(&mut pool, ask(1, number, quota, 0, wish)).admits;
    assert!(
        say(1, PoolOperation::Admit)
            && say(2, PoolOperation::Admit)
            && !say(3, PoolOperation::Admit)
    );
    say(4, PoolOperation::GiveBack { number: 2 });
    say(5, PoolOperation::GiveBack { number: 2 });
    say(6, PoolOperation::GiveBack { number: 3 });
    assert!(say(7, PoolOperation::Admit));
    assert!(!say(8, PoolOperation::Admit));
}

#[test]
fn an_isolate_asks_alone_then_for_a_share_and_then_not_at_all() {
    let quota = quota(8000, 60);
    let (mut holder, mut pool) = (Holder::new(quota, 1), Pool::default());
    let (Decision::Ask(first), _) = new_request(&mut holder, 0) else {
        panic!("it has nothing yet")
    };
    // Another request waits for that.
    let (waiting, _) = new_request(&mut holder, 1);
    assert_eq!(waiting, Decision::Wait(ms(10)));
    let response = step(&mut pool, first);
    assert_eq!(response.share, 0);
    let taken = holder.answered(&first, &response, at(30));
    assert_eq!(taken, Ok(Admission::There { number: 1 }));

    let (Decision::Ask(second), tasks) = holder.decide(ms(10), at(31), TIMEOUT) else {
        panic!("there is no share yet")
    };
    let alarm = Alarm::Lease { number: 2 };
    let after = seconds(5);
    assert_eq!(tasks, [HolderTask::Wake { after, alarm }]);
    let response = step(&mut pool, second);
    assert_eq!((response.admits, response.share), (true, 2));
    assert!(holder.answered(&second, &response, at(60)).is_ok());
    for offset in [61, 62] {
        let (decision, _) = new_request(&mut holder, offset);
        assert!(matches!(decision, Decision::Admit(Admission::Here { .. })));
    }
}

#[test]
fn an_answer_to_another_question_is_not_taken_for_a_shares() {
    let quota = quota(8000, 60);
    let mut holder = Holder::new(quota, 1);
    let given = |admits, share| PoolGrant {
        admits,
        share,
        wait: ms(0),
    };
    let (Decision::Ask(first), _) = new_request(&mut holder, 0) else {
        panic!("it asks")
    };
    let taken = holder.answered(&first, &given(true, 0), at(10));
    let back = holder.give_back(taken.expect("admitted"), at(10));
    let (Decision::Ask(second), _) = new_request(&mut holder, 11) else {
        panic!("it asks for a share")
    };
    holder.heard(&back.expect("the pool is told"), &given(false, 0), at(12));
    assert!(holder.answered(&second, &given(true, 3), at(13)).is_ok());
    let (third, _) = new_request(&mut holder, 14);
    assert!(matches!(third, Decision::Admit(Admission::Here { .. })));
}

#[test]
fn what_is_left_of_a_share_goes_back_when_it_ends() {
    let quota = quota(8000, 60);
    let mut holder = Holder::new(quota, 1);
    let mut pool = Pool::default();
    let mut alarms = Vec::new();
    for offset in [0, 100, 200, 300] {
        let (decision, tasks) = new_request(&mut holder, offset);
        alarms.extend(tasks.into_iter().filter_map(|task| match task {
            HolderTask::Wake { alarm, .. } => Some(alarm),
            HolderTask::Ask(_) => None,
        }));
        if let Decision::Ask(request) = decision {
            let response = step(&mut pool, request);
            let _ = holder.answered(&request, &response, at(offset));
        }
    }
    let back: Vec<_> = alarms
        .into_iter()
        .filter_map(|alarm| holder.woken(alarm, at(5500), TIMEOUT))
        .collect();
    let [request] = back.as_slice() else {
        panic!("one account: {back:?}")
    };
    let PoolOperation::Share {
        admits, keep, want, ..
    } = request.wish
    else {
        panic!("an account")
    };
    assert_eq!((admits, keep, want), (false, 0, 0));
    assert_eq!(step(&mut pool, *request).share, 0);
    // Nothing is lent any more: an eighth of all but the four that were admitted.
    let other = ask(2, 1, quota, 5500, lend(0, 0, 8000));
    assert_eq!(step(&mut pool, other).share, (8000 - 4) / 8);
}

#[test]
fn an_exhausted_route_is_known_for_five_seconds_at_a_time() {
    let quota = quota(1, 60);
    let (mut holder, mut pool) = (Holder::new(quota, 1), Pool::default());
    let (Decision::Ask(request), _) = new_request(&mut holder, 0) else {
        panic!("it asks")
    };
    let response = step(&mut pool, request);
    assert!(holder.answered(&request, &response, at(0)).is_ok());
    let wait = |holder: &Holder, offset| holder.wait(at(offset));
    assert_eq!(wait(&holder, 1), Some(ms(59_999)));
    assert_eq!(
        new_request(&mut holder, 4999).0,
        Decision::Refuse { wait: ms(55_001) }
    );
    assert_eq!(wait(&holder, 5000), None);
    let (Decision::Ask(request), _) = new_request(&mut holder, 58_000) else {
        panic!("it asks again")
    };
    let response = step(&mut pool, request);
    assert_eq!(
        holder.answered(&request, &response, at(58_000)),
        Err(ms(2000))
    );
    assert_eq!(wait(&holder, 59_999), Some(ms(1)));
    assert_eq!(wait(&holder, 60_000), None);
}

#[test]
fn a_clock_that_jumps_back_ends_a_share_and_a_wait() {
    let quota = quota(8000, 60);
    let (mut holder, mut pool) = (Holder::new(quota, 1), Pool::default());
    for offset in [0, 1] {
        let (Decision::Ask(request), _) = new_request(&mut holder, offset) else {
            panic!("it has nothing yet")
        };
        let response = step(&mut pool, request);
        assert!(holder.answered(&request, &response, at(offset)).is_ok());
    }
    let mut lent = holder;
    let before = Timestamp(START - 60_000);
    let (decision, _) = lent.decide(Duration::ZERO, before, TIMEOUT);
    assert!(matches!(decision, Decision::Ask(_)), "{decision:?}");
}

#[test]
fn a_pool_is_kept_for_a_day_after_anything_counted() {
    let quota = quota(5, 60);
    let mut pool = Pool::default();
    step(&mut pool, ask(1, 1, quota, 0, PoolOperation::Admit));
    let day = millis(KEPT_FOR);
    assert_rows([
        (
            "while it counts",
            pool.sleep(at(59_000)),
            Some(ms(day + 1000)),
        ),
        (
            "an hour later",
            pool.sleep(at(3_600_000)),
            Some(ms(day - 3_540_000)),
        ),
        ("a day later", pool.sleep(at(day + 60_000)), None),
        (
            "a clock that jumped back",
            pool.sleep(Timestamp(START - day)),
            Some(ms(day + 70_000)),
        ),
    ]);
    step(&mut pool, ask(1, 2, quota, 3_600_000, PoolOperation::Admit));
    assert_eq!(pool.sleep(at(day + 60_000)), Some(ms(3_600_000)));
}

/// The isolate that gives back learns at once that there is something again, others within 5 seconds.
#[test]
fn what_is_given_back_is_there_for_others() {
    let quota = quota(1, 60);
    let mut pool = Pool::default();
    let mut taker = Holder::new(quota, 1);
    let mut other = Holder::new(quota, 2);
    let taken = match new_request(&mut taker, 0) {
        (Decision::Ask(request), _) => {
            let response = step(&mut pool, request);
            taker
                .answered(&request, &response, at(0))
                .expect("the first")
        }
        (decision, _) => panic!("{decision:?}"),
    };
    let (Decision::Ask(request), _) = new_request(&mut other, 0) else {
        panic!("it knows nothing yet")
    };
    let response = step(&mut pool, request);
    let wait = seconds(60);
    assert_eq!(other.answered(&request, &response, at(0)), Err(wait));
    assert_eq!(taker.wait(at(1)), Some(wait - ms(1)));
    let request = taker.give_back(taken, at(1)).expect("the pool has to know");
    let response = step(&mut pool, request);
    taker.heard(&request, &response, at(1));
    assert_rows([
        ("who gave it back", taker.wait(at(1)), None),
        ("another", other.wait(at(4999)), Some(wait - ms(4999))),
        ("another, later", other.wait(at(5000)), None),
    ]);
}
