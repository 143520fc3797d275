//! How questions and answers travel between an isolate and the object: short texts in a URL's
//! path and a header, which need no body to be awaited.

use std::time::Duration;

use super::{Answer, Given, Question, Wish};
use crate::limits::quota::Quota;
use crate::util::time::{Timestamp, millis};

/// `/<count>/<window ms>/<isolate in hex>/<number>/<sent>`, then `/admit`,
/// `/share/<admits: 0 or 1>/<used>/<keep>/<want>` or `/back/<number>`.
pub fn encode_question(question: &Question) -> String {
    let Question {
        quota,
        isolate,
        number,
        sent,
        wish,
    } = question;
    let (count, window) = (quota.count(), millis(quota.window()));
    let wish = match wish {
        Wish::Admit => "admit".to_owned(),
        Wish::Share {
            admits,
            used,
            keep,
            want,
        } => format!("share/{}/{used}/{keep}/{want}", u8::from(*admits)),
        Wish::GiveBack { number } => format!("back/{number}"),
    };
    format!("/{count}/{window}/{isolate:x}/{number}/{}/{wish}", sent.0)
}

pub fn decode_question(path: &str) -> Option<Question> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let count = parts.next()?.parse().ok()?;
    let window = Duration::from_millis(parts.next()?.parse().ok()?);
    let quota = Quota::new(count, window)?;
    let isolate = u64::from_str_radix(parts.next()?, 16).ok()?;
    let number = parts.next()?.parse().ok()?;
    let sent = Timestamp(parts.next()?.parse().ok()?);
    let wish = match parts.next()? {
        "admit" => Wish::Admit,
        "share" => Wish::Share {
            admits: match parts.next()? {
                "0" => false,
                "1" => true,
                _ => return None,
            },
            used: parts.next()?.parse().ok()?,
            keep: parts.next()?.parse().ok()?,
            want: parts.next()?.parse().ok()?,
        },
        "back" => Wish::GiveBack {
            number: parts.next()?.parse().ok()?,
        },
        _ => return None,
    };
    parts.next().is_none().then_some(Question {
        quota,
        isolate,
        number,
        sent,
        wish,
    })
}

/// `given <admits: 0 or 1> <share> <wait in ms>`, or `stale`.
pub fn encode_answer(answer: &Answer) -> String {
    match answer {
        Answer::Given(Given {
            admits,
            share,
            wait,
        }) => format!("given {} {share} {}", u8::from(*admits), millis(*wait)),
        Answer::Stale => "stale".into(),
    }
}

pub fn decode_answer(text: &str) -> Option<Answer> {
    if text == "stale" {
        return Some(Answer::Stale);
    }
    let mut parts = text.strip_prefix("given ")?.split(' ');
    let admits = match parts.next()? {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    let share = parts.next()?.parse().ok()?;
    let wait = Duration::from_millis(parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(Answer::Given(Given {
        admits,
        share,
        wait,
    }))
}
