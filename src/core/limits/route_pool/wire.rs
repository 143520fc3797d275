//! How requests and answers travel between an isolate and the object: as short texts in a URL's
//! path and in a header, so that no body has to be awaited.

use std::time::Duration;

use super::{PoolGrant, PoolOperation, PoolRequest, PoolResponse};
use crate::limits::quota::Quota;
use crate::util::time::{Timestamp, millis};

/// Writes a request as `/<count>/<window ms>/<isolate in hex>/<number>/<sent>`, then `/admit`,
/// `/share/<admits: 0 or 1>/<used>/<keep>/<want>` or `/back/<number>`.
pub fn encode_request(request: &PoolRequest) -> String {
    let PoolRequest {
        quota,
        isolate,
        number,
        sent,
        wish,
    } = request;
    let (count, window) = (quota.count(), millis(quota.window()));
    let wish = match wish {
        PoolOperation::Admit => "admit".to_owned(),
        PoolOperation::Share {
            admits,
            used,
            keep,
            want,
        } => format!("share/{}/{used}/{keep}/{want}", u8::from(*admits)),
        PoolOperation::GiveBack { number } => format!("back/{number}"),
    };
    format!("/{count}/{window}/{isolate:x}/{number}/{}/{wish}", sent.0)
}

pub fn decode_request(path: &str) -> Option<PoolRequest> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let count = parts.next()?.parse().ok()?;
    let window = Duration::from_millis(parts.next()?.parse().ok()?);
    let quota = Quota::new(count, window)?;
    let isolate = u64::from_str_radix(parts.next()?, 16).ok()?;
    let number = parts.next()?.parse().ok()?;
    let sent = Timestamp(parts.next()?.parse().ok()?);
    let wish = match parts.next()? {
        "admit" => PoolOperation::Admit,
        "share" => PoolOperation::Share {
            admits: match parts.next()? {
                "0" => false,
                "1" => true,
                _ => return None,
            },
            used: parts.next()?.parse().ok()?,
            keep: parts.next()?.parse().ok()?,
            want: parts.next()?.parse().ok()?,
        },
        "back" => PoolOperation::GiveBack {
            number: parts.next()?.parse().ok()?,
        },
        _ => return None,
    };
    parts.next().is_none().then_some(PoolRequest {
        quota,
        isolate,
        number,
        sent,
        wish,
    })
}

/// Writes an answer as `given <admits: 0 or 1> <share> <wait in ms>`, or `stale`.
pub fn encode_response(response: &PoolResponse) -> String {
    match response {
        PoolResponse::Granted(PoolGrant {
            admits,
            share,
            wait,
        }) => format!("given {} {share} {}", u8::from(*admits), millis(*wait)),
        PoolResponse::Stale => "stale".into(),
    }
}

pub fn decode_response(text: &str) -> Option<PoolResponse> {
    if text == "stale" {
        return Some(PoolResponse::Stale);
    }
    let mut parts = text.strip_prefix("given ")?.split(' ');
    let admits = match parts.next()? {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    let share = parts.next()?.parse().ok()?;
    let wait = Duration::from_millis(parts.next()?.parse().ok()?);
    parts
        .next()
        .is_none()
        .then_some(PoolResponse::Granted(PoolGrant {
            admits,
            share,
            wait,
        }))
}
