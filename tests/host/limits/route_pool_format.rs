//! What is stored of a route's quota and sent for it, to the byte: after a deployment the new
//! version reads what the old one wrote.

use portcullis::limits::quota::Quota;
use portcullis::limits::route_pool::wire::{
    decode_request, decode_response, encode_request, encode_response,
};
use portcullis::limits::route_pool::{
    CorruptPool, Pool, PoolGrant, PoolOperation, PoolRequest, PoolResponse,
};
use portcullis::util::time::Timestamp;

use crate::common::{assert_rows, ms, seconds};

const SHARE: PoolOperation = PoolOperation::Share {
    admits: true,
    used: 3,
    keep: 4,
    want: 40,
};

fn request(wish: PoolOperation) -> PoolRequest {
    PoolRequest {
        quota: Quota::new(600, seconds(60)).expect("a quota"),
        isolate: 0xab,
        number: 7,
        sent: Timestamp(1000),
        wish,
    }
}

fn given(admits: bool, share: u32, wait: u64) -> PoolResponse {
    let wait = ms(wait);
    PoolResponse::Granted(PoolGrant {
        admits,
        share,
        wait,
    })
}

#[test]
fn the_wire_format_is_unchanged() {
    let requests = [
        (PoolOperation::Admit, "/600/60000/ab/7/1000/admit"),
        (SHARE, "/600/60000/ab/7/1000/share/1/3/4/40"),
        (
            PoolOperation::GiveBack { number: 5 },
            "/600/60000/ab/7/1000/back/5",
        ),
    ];
    for (wish, text) in requests {
        assert_eq!(encode_request(&request(wish)), text);
        assert_eq!(decode_request(text), Some(request(wish)));
    }
    let responses = [
        (given(true, 12, 0), "given 1 12 0"),
        (given(false, 0, 1500), "given 0 0 1500"),
        (PoolResponse::Stale, "stale"),
    ];
    for (response, text) in responses {
        assert_eq!(encode_response(&response), text);
        assert_eq!(decode_response(text), Some(response));
    }
}

#[test]
fn nonsense_is_no_message() {
    let paths = [
        "",
        "/",
        "/600/60000/ab/7/1000",
        "/0/60000/ab/7/1000/admit",
        "/600/0/ab/7/1000/admit",
        "/600/60000/xyz/7/1000/admit",
        "/600/60000/ab/7/1000/admit/",
        "/600/60000/ab/7/1000/share/2/3/4/40",
        "/600/60000/ab/7/1000/share/1/3/4",
        "/600/60000/ab/7/1000/share/1/3/4/-1",
        "/600/60000/ab/7/1000/back",
    ];
    assert_rows(paths.map(|path| (path, decode_request(path), None)));
    let responses = [
        "",
        "given",
        "given 1",
        "given 2 0 0",
        "given 1 0 0 0",
        "stale ",
    ];
    assert_rows(responses.map(|text| (text, decode_response(text), None)));
}

#[test]
fn the_stored_format_is_unchanged() {
    let mut pool = Pool::default();
    let (response, row) = pool.step(&request(SHARE), Timestamp(2000));
    assert_eq!(response, given(true, 40, 0));
    let mut expected = vec![0];
    for number in [60_000_u64, 40, 2000, 1000] {
        expected.extend(number.to_be_bytes());
    }
    expected.extend(1_u32.to_be_bytes());
    for number in [2000_u64, 1000] {
        expected.extend(number.to_be_bytes());
    }
    assert_eq!(row, Some(expected));
}

#[test]
fn what_was_not_stored_is_an_error() {
    let mut pool = Pool::default();
    let (_, row) = pool.step(&request(SHARE), Timestamp(2000));
    let row = row.expect("something was given");
    let read = |bytes: &[u8]| Pool::load(bytes).map(|_| ());
    assert_eq!(read(&row), Ok(()));
    let mut empty_entry = row.clone();
    empty_entry[33..37].fill(0);
    let twice_backwards = [&row[..], &[0, 0, 0, 1], &[0; 16]].concat();
    assert_rows([
        ("nothing", read(&[]), Err(CorruptPool)),
        ("cut", read(&row[..40]), Err(CorruptPool)),
        ("longer", read(&[&row[..], &[0]].concat()), Err(CorruptPool)),
        ("an entry of none", read(&empty_entry), Err(CorruptPool)),
        ("out of order", read(&twice_backwards), Err(CorruptPool)),
        (
            "too much",
            read(&[&row[..], &[1; 20 * 300]].concat()),
            Err(CorruptPool),
        ),
    ]);
}
