//! `ADMIN_ACCESS_TEAM` and `ADMIN_ACCESS_AUDIENCE`: administrators whom Cloudflare Access signed in.

use std::time::Duration;

use super::reader::Reader;
use super::settings::{ADMIN_ACCESS_AUDIENCE, ADMIN_ACCESS_TEAM, ADMIN_TOKEN};
use super::values;
use crate::admin::ASSERTION;
use crate::token::{
    Algorithm, Authentication, Expectations, Issuer, KeySources, RemoteKeys, Source, TokenConflict,
};

/// The path at which a team publishes its keys.
const KEYS: &str = "/cdn-cgi/access/certs";

/// How long a team's keys stay in use when newer ones can't be fetched.
const STALE: Duration = Duration::from_hours(1);

/// The tolerance for clocks that differ.
const LEEWAY: Duration = Duration::from_secs(10);

/// The longest assertion, in bytes.
const MAX_BYTES: usize = 16 * 1024;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Authentication> {
    let example = "https://team.cloudflareaccess.com";
    let team = reader.parse(&ADMIN_ACCESS_TEAM, |text| {
        let team = values::provider_url(text, example)?;
        match team.trim_end_matches('/').splitn(4, '/').nth(3) {
            None => Ok(team.trim_end_matches('/').to_owned()),
            Some(_) => Err(format!("it has a path; write a URL like {example:?}")),
        }
    });
    let audiences = reader.list(&ADMIN_ACCESS_AUDIENCE);
    for (setting, other) in [
        (&ADMIN_ACCESS_TEAM, &ADMIN_ACCESS_AUDIENCE),
        (&ADMIN_ACCESS_AUDIENCE, &ADMIN_ACCESS_TEAM),
        (&ADMIN_ACCESS_TEAM, &ADMIN_TOKEN),
    ] {
        if reader.has(setting) && !reader.has(other) {
            reader.error(
                setting,
                format!("it needs {} too; set both, or neither", other.name()),
            );
        }
    }
    let (team, audiences) = (team?, audiences?);
    let keys = RemoteKeys::new(format!("{team}{KEYS}"), vec![Algorithm::Rs256], STALE);
    Some(Authentication {
        required: true,
        sources: vec![Source::NamedHeader(ASSERTION.to_owned())],
        on_conflict: TokenConflict::Refuse,
        issuers: vec![Issuer {
            keys: KeySources::remote(keys),
            expectations: Expectations {
                issuers: vec![team],
                audiences,
                leeway: LEEWAY,
                ..Expectations::default()
            },
        }],
        sessions: None,
        max_bytes: MAX_BYTES,
    })
}
