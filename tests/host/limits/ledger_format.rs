//! What the ledger stores and how it is asked: pinned, since old rows and old isolates must be
//! understood after a deployment.

use portcullis::limits::ledger::{
    Account, EntryId, Explanation, Ledger, LedgerRequest, LedgerResponse, Operation, Outlook, Row,
    Slot, Wish, wire,
};
use portcullis::limits::quota::{BanRule, Limits, Quota};
use portcullis::util::time::Timestamp;

use crate::common::{assert_rows, ms, seconds};

const KEY: EntryId = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
const AT: u64 = 1_800_000_000_000;

fn limits() -> Limits {
    Limits {
        quota: Quota::new(60, seconds(60)),
        replay_window: Some(seconds(90)),
        ban: Quota::new(3, seconds(30)).map(|failures| BanRule {
            failures,
            length: seconds(3600),
        }),
    }
}

fn request(operation: Operation, now: u64) -> LedgerRequest {
    LedgerRequest {
        group: "/a".into(),
        limits: limits(),
        operation,
        now: Timestamp(now),
    }
}

/// A head as it is stored, by its parts: 1 800 000 000 000 ms is 0x01a3185c5000.
#[rustfmt::skip]
const HEAD: [u8; 146] = [
    // written at, by the object's clock and by the caller's
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x01,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x06,
    // wakes at
    0, 0, 0x01, 0xa3, 0x1d, 0x84, 0x0b, 0x90,
    // the number of the next row
    0, 0, 0, 0, 0, 0, 0, 1,
    // no ban
    0, 0, 0, 0, 0, 0, 0, 0,
    // failures matter for 30 s; there is one
    0, 0, 0, 0, 0, 0, 0x75, 0x30,
    0, 0, 0, 0, 0, 0, 0, 1,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x01,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x06,
    // group /a, whose entries matter for 90 s; there are two
    0, 0, 0, 0, 0, 0, 0, 2, b'/', b'a',
    0, 0, 0, 0, 0, 0x01, 0x5f, 0x90,
    0, 0, 0, 0, 0, 0, 0, 2,
    // one with a key
    0x80, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x05,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255,
    // and one without
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x01,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x06,
];

#[test]
fn the_stored_bytes_are_unchanged() {
    let mut ledger = Ledger::default();
    ledger.step(
        &request(Operation::Admit { id: Some(KEY) }, AT + 5),
        Timestamp(AT),
    );
    let failure = Operation::Count {
        attempts: 1,
        failures: 1,
    };
    let (_, change) = ledger.step(&request(failure, AT + 6), Timestamp(AT + 1));
    let head = Row {
        number: 0,
        data: HEAD.to_vec(),
    };
    assert_eq!(change.write, [head]);
}

/// The journal of a head that stores one attempt ahead, by its parts.
#[rustfmt::skip]
const AHEAD: [u8; 82] = [
    // group /a, whose entries matter for 90 s, with a flag: something is stored ahead
    0, 0, 0, 0, 0, 0, 0, 2, b'/', b'a',
    0x80, 0, 0, 0, 0, 0x01, 0x5f, 0x90,
    // one attempt, for 5 s
    0, 0, 0, 0, 0, 0, 0, 1,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x63, 0x89,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x63, 0x8e,
    // two that were made
    0, 0, 0, 0, 0, 0, 0, 2,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x05,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x01,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x06,
];

/// The journal of a head with a lease, by its parts.
#[rustfmt::skip]
const LENT: [u8; 82] = [
    // group /a, whose entries matter for 90 s, with a flag: attempts are lent
    0, 0, 0, 0, 0, 0, 0, 2, b'/', b'a',
    0x40, 0, 0, 0, 0, 0x01, 0x5f, 0x90,
    // one lease: its name, two attempts, for 2 s
    0, 0, 0, 0, 0, 0, 0, 1,
    0xff, 0, 0, 0, 0, 0, 0, 0xee,
    0, 0, 0, 0, 0, 0, 0, 2,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x57, 0xd0,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x57, 0xd5,
    // one that was made
    0, 0, 0, 0, 0, 0, 0, 1,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0,
    0, 0, 0x01, 0xa3, 0x18, 0x5c, 0x50, 0x05,
];

#[test]
fn what_is_lent_is_unchanged() {
    let request = LedgerRequest {
        limits: Limits {
            quota: Quota::new(200, seconds(90)),
            ..Limits::default()
        },
        ..request(
            Operation::Borrow {
                id: None,
                wish: Wish {
                    id: 0xff00_0000_0000_00ee,
                    want: 2,
                    account: None,
                },
            },
            AT + 5,
        )
    };
    let mut ledger = Ledger::default();
    let (_, change) = ledger.step(&request, Timestamp(AT));
    let [head] = &change.write[..] else {
        panic!("the head alone")
    };
    assert!(head.data.ends_with(&LENT), "{:x?}", head.data);
    let unreadable = |at: usize, byte: u8| {
        let mut head = head.clone();
        let start = head.data.len() - LENT.len();
        head.data[start + at] = byte;
        Ledger::load([head]).is_err()
    };
    let rows = [
        ("too many leases", unreadable(25, 65), true),
        ("an empty one", unreadable(41, 0), true),
        ("one that is too large", unreadable(41, 129), true),
        ("another number", unreadable(41, 128), false),
    ];
    assert_rows(rows);
}

#[test]
fn what_is_stored_ahead_is_unchanged() {
    let mut ledger = Ledger::default();
    let mut step = |offset| {
        let request = LedgerRequest {
            limits: Limits {
                quota: Quota::new(100, seconds(90)),
                ..Limits::default()
            },
            ..request(Operation::Admit { id: None }, AT + 5 + offset)
        };
        ledger.step(&request, Timestamp(AT + offset)).1
    };
    step(0);
    let [head] = &step(1).write[..] else {
        panic!("the head alone")
    };
    assert!(head.data.ends_with(&AHEAD), "{:x?}", head.data);
}

#[test]
fn stored_bytes_are_understood() {
    let operation = |after, operation| {
        let mut ledger = Ledger::load([Row {
            number: 0,
            data: HEAD.to_vec(),
        }])
        .expect("ours");
        ledger
            .step(&request(operation, AT + 5 + after), Timestamp(AT + after))
            .0
    };
    let outlook = |exhausted_for, banned_for| Outlook {
        exhausted_for: ms(exhausted_for),
        banned_for: ms(banned_for),
        few_left: None,
        lent: 0,
    };
    assert_rows([
        (
            "the key",
            operation(2, Operation::Admit { id: Some(KEY) }),
            LedgerResponse::Replayed(outlook(0, 0)),
        ),
        (
            "zeros are no key",
            operation(2, Operation::Admit { id: Some([0; 16]) }),
            LedgerResponse::Counted(outlook(0, 0)),
        ),
        (
            "the key, when its window is over",
            operation(90_000, Operation::Admit { id: Some(KEY) }),
            LedgerResponse::Counted(outlook(0, 0)),
        ),
        (
            "a second failure",
            operation(2, crate::common::ledger::FAILURE),
            LedgerResponse::Counted(outlook(0, 0)),
        ),
    ]);
}

#[test]
fn a_question_travels_as_a_path() {
    let bare = |operation| LedgerRequest {
        group: String::new(),
        limits: Limits::default(),
        operation,
        now: Timestamp(0),
    };
    let hex = "000102030405060708090a0b0c0d0eff";
    let mut of_a_room = request(crate::common::ledger::FAILURE, AT);
    of_a_room.group = "/rooms/{room}/é/*".into();
    let slot = Slot { id: KEY, max: 10 };
    let open = |id, counts_if_full| Operation::Open {
        id,
        slot,
        counts_if_full,
    };
    let rows = [
        (
            bare(open(Some([0; 16]), true)),
            format!("/open-counted.{hex}.10/{}/0/0/0/0/0/0/0/", "0".repeat(32)),
        ),
        (
            bare(open(None, false)),
            format!("/open.{hex}.10//0/0/0/0/0/0/0/"),
        ),
        (
            bare(Operation::Claim { id: None, slot }),
            format!("/claim.{hex}.10//0/0/0/0/0/0/0/"),
        ),
        (
            LedgerRequest {
                now: Timestamp(AT),
                ..bare(Operation::Replace {
                    slot,
                    patience: ms(1000),
                })
            },
            format!("/replace/{hex}/10/1000/{AT}"),
        ),
        (
            LedgerRequest {
                now: Timestamp(AT),
                ..bare(Operation::Attach { slot })
            },
            format!("/attach/{hex}/10/{AT}"),
        ),
        (
            request(Operation::Admit { id: Some(KEY) }, AT),
            format!("/admit/{hex}/{AT}/60/60000/90000/3/30000/3600000/%2Fa"),
        ),
        (
            of_a_room,
            format!(
                "/count.0.1//{AT}/60/60000/90000/3/30000/3600000/%2Frooms%2F%7Broom%7D%2F%C3%A9%2F%2A"
            ),
        ),
        (
            bare(Operation::Admit { id: None }),
            "/admit//0/0/0/0/0/0/0/".into(),
        ),
        (
            bare(Operation::Count {
                attempts: 1,
                failures: 0,
            }),
            "/count.1.0//0/0/0/0/0/0/0/".into(),
        ),
        (
            bare(Operation::Count {
                attempts: 1,
                failures: 1,
            }),
            "/count.1.1//0/0/0/0/0/0/0/".into(),
        ),
        (
            bare(Operation::Count {
                attempts: 128,
                failures: 7,
            }),
            "/count.128.7//0/0/0/0/0/0/0/".into(),
        ),
        (
            bare(Operation::GiveBack { id: [0; 16] }),
            format!("/give-back/{}/0/0/0/0/0/0/0/", "0".repeat(32)),
        ),
        (
            bare(Operation::Borrow {
                id: None,
                wish: Wish {
                    id: u64::MAX,
                    want: 128,
                    account: None,
                },
            }),
            format!("/borrow.{}.128//0/0/0/0/0/0/0/", u64::MAX),
        ),
        (
            bare(Operation::Borrow {
                id: Some(KEY),
                wish: Wish {
                    id: 1,
                    want: 0,
                    account: Some(Account { id: 2, used: 128 }),
                },
            }),
            format!("/borrow.1.0.2.128/{hex}/0/0/0/0/0/0/0/"),
        ),
        (bare(Operation::Lift), "/lift//0/0/0/0/0/0/0/".into()),
        (bare(Operation::Explain), "/explain//0/0/0/0/0/0/0/".into()),
    ];
    assert_rows(
        rows.clone()
            .map(|(request, path)| (path.clone(), wire::encode_request(&request), path)),
    );
    assert_rows(
        rows.map(|(request, path)| (path.clone(), wire::decode_request(&path), Some(request))),
    );
}

#[test]
fn what_is_no_question_is_not_read_as_one() {
    let paths = [
        "",
        "/",
        "admit//0/0/0/0/0/0/0/",
        "/admit",
        "/admit//0/0/0/0/0/0/0",
        "/admit//0/0/0/0/0/0/0//",
        "/admit/xyz/0/0/0/0/0/0/0/",
        "/admit/100000000000000000000000000000000/0/0/0/0/0/0/0/",
        "/admit//x/0/0/0/0/0/0/",
        "/admit//0/-1/1/0/0/0/0/",
        "/admit//0/4294967296/1/0/0/0/0/",
        "/admit//0/1/1.5/0/0/0/0/",
        "/admit//0/1/1/18446744073709551616/0/0/0/",
        "/admit//0/0/0/0/0/0/0/%FF",
        "/Admit//0/0/0/0/0/0/0/",
        "/ask//0/0/0/0/0/0/0/",
        "/count/00/0/0/0/0/0/0/0/",
        "/fail//0/0/0/0/0/0/0/",
        "/borrow//0/0/0/0/0/0/0/",
        "/borrow.1//0/0/0/0/0/0/0/",
        "/borrow.1.129//0/0/0/0/0/0/0/",
        "/borrow.1.02//0/0/0/0/0/0/0/",
        "/borrow.x.2//0/0/0/0/0/0/0/",
        "/borrow.18446744073709551616.2//0/0/0/0/0/0/0/",
        "/borrow.1.2.3//0/0/0/0/0/0/0/",
        "/borrow.1.2.3.129//0/0/0/0/0/0/0/",
        "/borrow.1.2.3.4.5//0/0/0/0/0/0/0/",
        "/count//0/0/0/0/0/0/0/",
        "/count.1//0/0/0/0/0/0/0/",
        "/count.0.0//0/0/0/0/0/0/0/",
        "/count.1.1.1//0/0/0/0/0/0/0/",
        "/count.129.0//0/0/0/0/0/0/0/",
        "/count.0.129//0/0/0/0/0/0/0/",
        "/count.01.0//0/0/0/0/0/0/0/",
        "/count.+1.0//0/0/0/0/0/0/0/",
        "/count.-1.0//0/0/0/0/0/0/0/",
        "/count.1.0/00/0/0/0/0/0/0/0/",
        "/give-back//0/0/0/0/0/0/0/",
        "/open//0/0/0/0/0/0/0/",
        "/open.00//0/0/0/0/0/0/0/",
        "/open.00.x//0/0/0/0/0/0/0/",
        "/open.00.1.1//0/0/0/0/0/0/0/",
        "/opened.00.1//0/0/0/0/0/0/0/",
        "/attach/00/1",
        "/attach/00/1/x",
        "/attach/00/1/1/",
        "/attach//1/1",
        "/claim.00//0/0/0/0/0/0/0/",
        "/replace/00/1/1",
        "/replace/00/1/1/x",
        "/replace/00/1/1/1/",
    ];
    assert_rows(paths.map(|path| (path, wire::decode_request(path), None)));
}

#[test]
fn an_answer_travels_as_a_word_and_numbers() {
    let outlook = |exhausted_for, banned_for| Outlook {
        exhausted_for: ms(exhausted_for),
        banned_for: ms(banned_for),
        few_left: None,
        lent: 0,
    };
    let few_left = |left| Outlook {
        few_left: Some(left),
        ..outlook(0, 1)
    };
    let lent = |lent, outlook| LedgerResponse::Counted(Outlook { lent, ..outlook });
    let rows = [
        (LedgerResponse::Counted(outlook(0, 0)), "counted 0 0"),
        (LedgerResponse::Counted(few_left(1)), "counted 0 1 1"),
        (LedgerResponse::Full(few_left(128)), "full 0 1 128"),
        (lent(1, outlook(0, 0)), "lent.1 0 0"),
        (lent(128, few_left(7)), "lent.128 0 1 7"),
        (
            LedgerResponse::Counted(outlook(60_000, 0)),
            "counted 60000 0",
        ),
        (
            LedgerResponse::Replayed(outlook(1, 3_600_000)),
            "replayed 1 3600000",
        ),
        (
            LedgerResponse::TooManySockets(outlook(2, 3)),
            "too-many 2 3",
        ),
        (LedgerResponse::Full(outlook(0, 3)), "full 0 3"),
        (
            LedgerResponse::Limited { wait: ms(12_345) },
            "limited 12345",
        ),
        (LedgerResponse::Banned { left: ms(7) }, "banned 7"),
        (
            LedgerResponse::Explained(Explanation {
                outlook: Outlook {
                    exhausted_for: ms(1),
                    banned_for: ms(2),
                    few_left: None,
                    lent: 0,
                },
                counted: 3,
                failures: 4,
                banned_since: Timestamp(5),
                sockets: 6,
            }),
            "explained 1 2 3 4 5 6",
        ),
    ];
    assert_rows(
        rows.map(|(response, text)| (text, wire::encode_response(&response), text.to_owned())),
    );
    assert_rows(rows.map(|(response, text)| (text, wire::decode_response(text), Some(response))));
    let brief = rows.map(|(response, text)| match text {
        "counted 0 0" => (text, wire::encode_briefly(&response), "counted".to_owned()),
        other => (other, wire::encode_briefly(&response), other.to_owned()),
    });
    assert_rows(brief);
    let plain = LedgerResponse::Counted(outlook(0, 0));
    assert_eq!(wire::decode_response("counted"), Some(plain));
    let others = [
        "",
        "counted 0",
        "counted 0 ",
        "counted -1 0",
        "counted 1.5 0",
        "counted 1 2 0",
        "counted 1 2 129",
        "counted 1 2 03",
        "counted 1 2 ",
        "counted 1 2 3 4",
        "explained 1 2",
        "lent",
        "lent 1 2",
        "lent.0 1 2",
        "lent.129 1 2",
        "lent.01 1 2",
        "lent.-1 1 2",
        "lent.1",
        "lent.1.1 1 2",
        "counted.1 1 2",
        "limited 1 2",
        "banned 1 2",
        "Counted 1 1",
        "admitted 1 1",
        " 1",
        "status 500",
    ];
    assert_rows(others.map(|text| (text, wire::decode_response(text), None)));
}
