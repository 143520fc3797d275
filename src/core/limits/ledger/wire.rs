//! How requests and answers travel between an isolate and the object: as short texts in a URL's
//! path and in a header, so that no body has to be awaited.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    Account, EntryId, Explanation, LedgerRequest, LedgerResponse, Operation, Outlook, Slot, Wish,
};
use crate::limits::quota::{BanRule, Limits, MAX_LENT, MAX_TOLD, Quota};
use crate::util::hex;
use crate::util::time::{Timestamp, millis};

/// Writes a request as `/<operation>/<id in hex>/<now>/<count>/<window>/<replay window>/<failures>/
/// <their window>/<length of the ban>/<group>`. Times are in milliseconds; zero or nothing is
/// absent. Refused attempts are told by `count.<attempts>.<failures>`. A lease is asked for by
/// `borrow.<lease>.<want>`, followed by `.<lease>.<used>` for the one before. The operation that asks for a slot is `open.<slot>.<max>` or, if it counts when there is
/// none, `open-counted.<slot>.<max>`, or, if it may replace another, `claim.<slot>.<max>`. It then
/// does by `/replace/<slot>/<max>/<patience>/<now>`. A socket attaches again by
/// `/attach/<slot>/<max>/<now>`.
pub fn encode_request(request: &LedgerRequest) -> String {
    let now = request.now.0;
    match request.operation {
        Operation::Attach { slot } => return format!("{}{now}", attach_prefix(slot)),
        Operation::Replace { slot, patience } => {
            let Slot { id, max } = slot;
            return format!("/{REPLACE}/{}/{max}/{}/{now}", hex(id), millis(patience));
        }
        _ => {}
    }
    let Limits {
        quota,
        replay_window,
        ban,
    } = request.limits;
    let (operation, id) = match request.operation {
        Operation::Admit { id } => ("admit".to_owned(), id.map(hex)),
        Operation::Borrow { id, wish } => (borrow_words(wish), id.map(hex)),
        Operation::Open {
            id,
            slot: Slot { id: slot, max },
            counts_if_full,
        } => {
            let word = if counts_if_full { OPEN_COUNTED } else { OPEN };
            (format!("{word}.{}.{max}", hex(slot)), id.map(hex))
        }
        Operation::Claim {
            id,
            slot: Slot { id: slot, max },
        } => (format!("{CLAIM}.{}.{max}", hex(slot)), id.map(hex)),
        Operation::Attach { .. } | Operation::Replace { .. } => unreachable!("written above"),
        Operation::Count { attempts, failures } => (format!("{COUNT}.{attempts}.{failures}"), None),
        Operation::GiveBack { id } => ("give-back".to_owned(), Some(hex(id))),
        Operation::Lift => ("lift".to_owned(), None),
        Operation::Explain => ("explain".to_owned(), None),
    };
    let (count, window) = quota_parts(quota);
    let (failures, failure_window) = quota_parts(ban.map(|ban| ban.failures));
    format!(
        "/{operation}/{}/{}/{count}/{window}/{}/{failures}/{failure_window}/{}/{}",
        id.unwrap_or_default(),
        request.now.0,
        replay_window.map_or(0, millis),
        ban.map_or(0, |ban| millis(ban.length)),
        utf8_percent_encode(&request.group, NON_ALPHANUMERIC),
    )
}

/// The path by which a socket attaches again, without the caller's time in milliseconds, which
/// follows it.
pub fn attach_prefix(Slot { id, max }: Slot) -> String {
    format!("/{ATTACH}/{}/{max}/", hex(id))
}

const BORROW: &str = "borrow";
const COUNT: &str = "count";
const OPEN: &str = "open";
const OPEN_COUNTED: &str = "open-counted";
const CLAIM: &str = "claim";
const REPLACE: &str = "replace";
const ATTACH: &str = "attach";

/// Reads an id that [`hex`] wrote.
pub fn parse_id(hex: &str) -> Option<EntryId> {
    let mut id = EntryId::default();
    let read = base16ct::lower::decode(hex, &mut id).ok()?;
    (read.len() == size_of::<EntryId>()).then_some(id)
}

fn slot<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<Slot> {
    Some(Slot {
        id: parse_id(parts.next()?)?,
        max: parts.next()?.parse().ok()?,
    })
}

pub fn decode_request(path: &str) -> Option<LedgerRequest> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let operation = parts.next()?;
    if [ATTACH, REPLACE].contains(&operation) {
        let is_attached = operation == ATTACH;
        let slot = slot(&mut parts)?;
        let operation = match is_attached {
            true => Operation::Attach { slot },
            false => Operation::Replace {
                slot,
                patience: length(parts.next()?)?,
            },
        };
        let now = Timestamp(parts.next()?.parse().ok()?);
        return parts.next().is_none().then(|| LedgerRequest {
            group: String::new(),
            limits: Limits::default(),
            operation,
            now,
        });
    }
    let id = match parts.next()? {
        "" => None,
        id => Some(parse_id(id)?),
    };
    let operation = read_operation(operation, id)?;
    let now = Timestamp(parts.next()?.parse().ok()?);
    let quota = Quota::new(parts.next()?.parse().ok()?, length(parts.next()?)?);
    let replay_window = length(parts.next()?)?;
    let failures = Quota::new(parts.next()?.parse().ok()?, length(parts.next()?)?);
    let ban_length = length(parts.next()?)?;
    let group = percent_decode_str(parts.next()?).decode_utf8().ok()?;
    let limits = Limits {
        quota,
        replay_window: (!replay_window.is_zero()).then_some(replay_window),
        ban: failures.map(|failures| BanRule {
            failures,
            length: ban_length,
        }),
    };
    parts.next().is_none().then(|| LedgerRequest {
        group: group.into_owned(),
        limits,
        operation,
        now,
    })
}

/// Reads the first part of a path, in which words are separated by points.
fn read_operation(operation: &str, id: Option<EntryId>) -> Option<Operation> {
    match (operation, id) {
        ("admit", id) => Some(Operation::Admit { id }),
        ("give-back", Some(id)) => Some(Operation::GiveBack { id }),
        ("lift", None) => Some(Operation::Lift),
        ("explain", None) => Some(Operation::Explain),
        (operation, id) => {
            let mut words = operation.split('.');
            let word = words.next()?;
            if word == COUNT {
                let (attempts, failures) = (told(words.next()?)?, told(words.next()?)?);
                let is_whole = words.next().is_none() && id.is_none() && attempts + failures > 0;
                return is_whole.then_some(Operation::Count { attempts, failures });
            }
            if word == BORROW {
                let wish = wish(words)?;
                return Some(Operation::Borrow { id, wish });
            }
            let slot = slot(&mut words)?;
            if words.next().is_some() {
                return None;
            }
            Some(match word {
                OPEN | OPEN_COUNTED => Operation::Open {
                    id,
                    slot,
                    counts_if_full: word == OPEN_COUNTED,
                },
                CLAIM => Operation::Claim { id, slot },
                _ => return None,
            })
        }
    }
}

fn borrow_words(Wish { id, want, account }: Wish) -> String {
    let words = format!("{BORROW}.{id}.{want}");
    match account {
        None => words,
        Some(Account { id, used }) => format!("{words}.{id}.{used}"),
    }
}

fn wish<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Wish> {
    let id = words.next()?.parse().ok()?;
    let want = small(words.next()?, MAX_LENT)?;
    let account = match words.next() {
        None => None,
        Some(id) => Some(Account {
            id: id.parse().ok()?,
            used: small(words.next()?, MAX_LENT)?,
        }),
    };
    words.next().is_none().then_some(Wish { id, want, account })
}

/// A number of refused attempts or failures.
fn told(text: &str) -> Option<u32> {
    small(text, MAX_TOLD)
}

/// A number that is not larger than `most`, as it is written.
fn small(text: &str, most: u32) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number <= most && number.to_string() == text).then_some(number)
}

fn quota_parts(quota: Option<Quota>) -> (u32, u64) {
    quota.map_or((0, 0), |quota| (quota.count(), millis(quota.window())))
}

fn length(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

const BRIEF: &str = "counted";
const LENT: &str = "lent.";

/// Writes an answer as `<word> <ms>` or `<word> <ms exhausted> <ms banned>`, with how many refused
/// attempts are left behind that where they are few. Where attempts are lent, the word is
/// `lent.<number>` in place of `counted`. To `explained` it adds the attempts counted, the
/// failures, when the ban began, and the slots.
pub fn encode_response(response: &LedgerResponse) -> String {
    let outlook = |word: &str, outlook: &Outlook| {
        let exhausted_for = millis(outlook.exhausted_for);
        let few = outlook.few_left;
        let few = few.map(|left| format!(" {left}")).unwrap_or_default();
        format!("{word} {exhausted_for} {}{few}", millis(outlook.banned_for))
    };
    match response {
        LedgerResponse::Counted(known) => match known.lent {
            0 => outlook("counted", known),
            lent => outlook(&format!("{LENT}{lent}"), known),
        },
        LedgerResponse::Replayed(known) => outlook("replayed", known),
        LedgerResponse::TooManySockets(known) => outlook("too-many", known),
        LedgerResponse::Full(known) => outlook("full", known),
        LedgerResponse::Limited { wait } => format!("limited {}", millis(*wait)),
        LedgerResponse::Banned { left } => format!("banned {}", millis(*left)),
        LedgerResponse::Explained(known) => format!(
            "{} {} {} {} {}",
            outlook("explained", &known.outlook),
            known.counted,
            known.failures,
            known.banned_since.0,
            known.sockets
        ),
    }
}

/// The same, but `counted` alone while nothing is exhausted and nobody banned: the answer that most
/// questions get.
pub fn encode_briefly(response: &LedgerResponse) -> String {
    match response {
        LedgerResponse::Counted(known) if *known == Outlook::default() => BRIEF.into(),
        other => encode_response(other),
    }
}

pub fn decode_response(text: &str) -> Option<LedgerResponse> {
    if text == BRIEF {
        return Some(LedgerResponse::Counted(Outlook::default()));
    }
    let mut words = text.split(' ');
    let word = words.next()?;
    let first = length(words.next()?)?;
    let second = words.next();
    let outlook = |few_left: Option<&str>| {
        Some(Outlook {
            exhausted_for: first,
            banned_for: length(second?)?,
            few_left: match few_left {
                None => None,
                Some(left) => Some(told(left).filter(|left| *left > 0)?),
            },
            lent: 0,
        })
    };
    let response = match word {
        "counted" => LedgerResponse::Counted(outlook(words.next())?),
        lent if lent.starts_with(LENT) => {
            let lent = small(&lent[LENT.len()..], MAX_LENT).filter(|lent| *lent > 0)?;
            let outlook = outlook(words.next())?;
            LedgerResponse::Counted(Outlook { lent, ..outlook })
        }
        "replayed" => LedgerResponse::Replayed(outlook(words.next())?),
        "too-many" => LedgerResponse::TooManySockets(outlook(words.next())?),
        "full" => LedgerResponse::Full(outlook(words.next())?),
        "limited" if second.is_none() => LedgerResponse::Limited { wait: first },
        "banned" if second.is_none() => LedgerResponse::Banned { left: first },
        "explained" => {
            let outlook = outlook(None)?;
            let mut number = || words.next()?.parse::<u64>().ok();
            let explanation = Explanation {
                outlook,
                counted: u32::try_from(number()?).ok()?,
                failures: u32::try_from(number()?).ok()?,
                banned_since: Timestamp(number()?),
                sockets: u32::try_from(number()?).ok()?,
            };
            LedgerResponse::Explained(explanation)
        }
        _ => return None,
    };
    words.next().is_none().then_some(response)
}
