//! How questions and answers travel between an isolate and the object: short texts in a URL's
//! path and a header, which need no body to be awaited.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Answer, Ask, Mark, Outlook, Question, Slot};
use crate::limits::quota::{BanTerms, Quota, Terms};
use crate::util::time::{Timestamp, millis};

/// `/<ask>/<mark in hex>/<now>/<count>/<window>/<replay window>/<failures>/<their window>/<length
/// of the ban>/<group>`: times in milliseconds, zero or nothing for what is absent. An ask for a
/// slot is `open.<id>.<most>` or, where refused ones count, `open-counted.<id>.<most>`. To attach
/// is `/attach/<id>/<most>/<now>`.
pub fn encode_question(question: &Question) -> String {
    if let Ask::Attach { slot } = question.ask {
        return format!("{}{}", attach_prefix(slot), question.now.0);
    }
    let Terms {
        quota,
        replay_window,
        ban,
    } = question.terms;
    let (ask, mark) = match question.ask {
        Ask::Admit { mark } => ("admit".to_owned(), mark.map(hex)),
        Ask::Open {
            mark,
            slot: Slot { id, most },
            counts_refused,
        } => {
            let word = if counts_refused { OPEN_COUNTED } else { OPEN };
            (format!("{word}.{}.{most}", hex(id)), mark.map(hex))
        }
        Ask::Attach { .. } => unreachable!("it has a form of its own"),
        Ask::Count { is_failure: false } => ("count".to_owned(), None),
        Ask::Count { is_failure: true } => ("count-failure".to_owned(), None),
        Ask::Fail => ("fail".to_owned(), None),
        Ask::GiveBack { mark } => ("give-back".to_owned(), Some(hex(mark))),
        Ask::Lift => ("lift".to_owned(), None),
    };
    let (count, window) = quota_parts(quota);
    let (failures, failure_window) = quota_parts(ban.map(|ban| ban.failures));
    format!(
        "/{ask}/{}/{}/{count}/{window}/{}/{failures}/{failure_window}/{}/{}",
        mark.unwrap_or_default(),
        question.now.0,
        replay_window.map_or(0, millis),
        ban.map_or(0, |ban| millis(ban.length)),
        utf8_percent_encode(&question.group, NON_ALPHANUMERIC),
    )
}

/// The path by which a socket attaches again, but for the caller's time in milliseconds.
pub fn attach_prefix(Slot { id, most }: Slot) -> String {
    format!("/{ATTACH}/{}/{most}/", hex(id))
}

const OPEN: &str = "open";
const OPEN_COUNTED: &str = "open-counted";
const ATTACH: &str = "attach";

/// A mark as texts have it.
pub fn hex(mark: Mark) -> String {
    format!("{:032x}", u128::from_be_bytes(mark))
}

/// What [`hex`] wrote.
pub fn mark(hex: &str) -> Option<Mark> {
    Some(u128::from_str_radix(hex, 16).ok()?.to_be_bytes())
}

fn slot<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<Slot> {
    Some(Slot {
        id: mark(parts.next()?)?,
        most: parts.next()?.parse().ok()?,
    })
}

pub fn decode_question(path: &str) -> Option<Question> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let ask = parts.next()?;
    if ask == ATTACH {
        let ask = Ask::Attach {
            slot: slot(&mut parts)?,
        };
        let now = Timestamp(parts.next()?.parse().ok()?);
        return parts.next().is_none().then(|| Question {
            group: String::new(),
            terms: Terms::default(),
            ask,
            now,
        });
    }
    let mark = match parts.next()? {
        "" => None,
        hex => Some(mark(hex)?),
    };
    let ask = match (ask, mark) {
        ("admit", mark) => Ask::Admit { mark },
        ("count", None) => Ask::Count { is_failure: false },
        ("count-failure", None) => Ask::Count { is_failure: true },
        ("fail", None) => Ask::Fail,
        ("give-back", Some(mark)) => Ask::GiveBack { mark },
        ("lift", None) => Ask::Lift,
        (ask, mark) => {
            let mut words = ask.split('.');
            let counts_refused = match words.next()? {
                OPEN => false,
                OPEN_COUNTED => true,
                _ => return None,
            };
            let slot = slot(&mut words)?;
            words.next().is_none().then_some(Ask::Open {
                mark,
                slot,
                counts_refused,
            })?
        }
    };
    let now = Timestamp(parts.next()?.parse().ok()?);
    let quota = Quota::new(parts.next()?.parse().ok()?, length(parts.next()?)?);
    let replay_window = length(parts.next()?)?;
    let failures = Quota::new(parts.next()?.parse().ok()?, length(parts.next()?)?);
    let ban_length = length(parts.next()?)?;
    let group = percent_decode_str(parts.next()?).decode_utf8().ok()?;
    let terms = Terms {
        quota,
        replay_window: (!replay_window.is_zero()).then_some(replay_window),
        ban: failures.map(|failures| BanTerms {
            failures,
            length: ban_length,
        }),
    };
    parts.next().is_none().then(|| Question {
        group: group.into_owned(),
        terms,
        ask,
        now,
    })
}

fn quota_parts(quota: Option<Quota>) -> (u32, u64) {
    quota.map_or((0, 0), |quota| (quota.count(), millis(quota.window())))
}

fn length(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

/// `<word> <ms>`, or `<word> <ms exhausted> <ms banned>`.
pub fn encode_answer(answer: &Answer) -> String {
    let outlook = |word: &str, outlook: &Outlook| {
        let exhausted_for = millis(outlook.exhausted_for);
        format!("{word} {exhausted_for} {}", millis(outlook.banned_for))
    };
    match answer {
        Answer::Counted(known) => outlook("counted", known),
        Answer::Replayed(known) => outlook("replayed", known),
        Answer::TooManySockets(known) => outlook("too-many", known),
        Answer::Limited { wait } => format!("limited {}", millis(*wait)),
        Answer::Banned { left } => format!("banned {}", millis(*left)),
    }
}

pub fn decode_answer(text: &str) -> Option<Answer> {
    let mut words = text.split(' ');
    let word = words.next()?;
    let first = length(words.next()?)?;
    let second = words.next();
    let outlook = || {
        Some(Outlook {
            exhausted_for: first,
            banned_for: length(second?)?,
        })
    };
    let answer = match word {
        "counted" => Answer::Counted(outlook()?),
        "replayed" => Answer::Replayed(outlook()?),
        "too-many" => Answer::TooManySockets(outlook()?),
        "limited" if second.is_none() => Answer::Limited { wait: first },
        "banned" if second.is_none() => Answer::Banned { left: first },
        _ => return None,
    };
    words.next().is_none().then_some(answer)
}
