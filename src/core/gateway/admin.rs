//! `/_portcullis/admin/`: carries out an administrator's command in all objects of the registry.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use super::attempt::Attempt;
use super::passage::Passage;
use super::permit::Permit;
use super::platform::Platform;
use crate::admin::{Command, MAX_BODY_BYTES, Target};
use crate::policy::Site;
use crate::registry::{
    DISCONNECT_LASTS, Denial, DenialKind, DenialTarget, MAX_DENIALS, MAX_LISTED, RegistryKey,
    RegistryRequest, RegistryResponse, SHARDS, Socket, oldest,
};
use crate::request::address::ClientAddress;
use crate::response::reason::{Reason, Rejection};
use crate::util::time::Timestamp;

impl<P: Platform> Attempt<'_, P> {
    pub async fn administer(
        &mut self,
        _: Permit<()>,
        site: &Site,
    ) -> Result<Passage<P>, Rejection> {
        let (platform, request) = (self.platform, self.request);
        let counting = &site.elsewhere.counting;
        let body = match Command::has_body(request) {
            false => String::new(),
            true => {
                let body = platform.read_body(MAX_BODY_BYTES).await;
                body.map_err(|failure| {
                    let detail = format!("the body can't be read: {failure}");
                    Reason::BadRequest { detail }.because("the body can't be read")
                })?
            }
        };
        let command = Command::read(request, &body, counting.ipv6_prefix, platform.now())?;
        let objects = Objects {
            platform,
            timeout: counting.timeout,
        };
        if let Command::Lift(Target::Address { address, .. }) = &command {
            self.lift(site, *address).await?;
        }
        let (json, done) = objects.obey(command).await?;
        self.record.note_administered(done);
        Ok(Passage::Json { json })
    }

    /// Lifts the bans that an address's own failures brought: one for each `IPV6_PREFIX` that
    /// routes count it by.
    async fn lift(&self, site: &Site, address: ClientAddress) -> Result<(), Rejection> {
        let mut lifted = Vec::new();
        for counting in site.banning() {
            let call = counting.lift(address.key(counting.ipv6_prefix), self.platform.now());
            if lifted.contains(&call.ledger) {
                continue;
            }
            match self.platform.ask_ledger(&call).await.answer {
                Ok(answer) => self.gate.learn(&call, &answer, self.platform.now()),
                Err(failure) => return Err(not_done(format!("{}: {failure}", call.scope))),
            }
            lifted.push(call.ledger);
        }
        Ok(())
    }
}

/// All objects of the registry.
struct Objects<'a, P> {
    platform: &'a P,
    timeout: Duration,
}

impl<P: Platform> Objects<'_, P> {
    /// Carries out a command. Returns the response as JSON, and what was done for the record.
    async fn obey(&self, command: Command) -> Result<(String, String), Rejection> {
        let now = self.platform.now();
        match command {
            Command::List(filter) => {
                let listed = self.list(filter.map(|filter| filter.key())).await?;
                let done = format!("listed {} sockets", listed.sockets.len());
                Ok((json(&listed), done))
            }
            Command::Disconnect(filter) => {
                let denial = Denial {
                    before: now,
                    until: now + DISCONNECT_LASTS,
                };
                let (_, disconnected) = self
                    .denial(DenialKind::Disconnect, filter.key(), denial)
                    .await?;
                let done = format!("disconnected {filter}: {disconnected} sockets");
                Ok((json(&Disconnected { disconnected }), done))
            }
            Command::Ban { target, lasts } => {
                let until = now + lasts;
                let disconnected = self.ban(&target, until).await?;
                let done = format!("banned {target}: {disconnected} sockets");
                let banned = Banned {
                    banned: name(&target),
                    until: seconds(until),
                    disconnected,
                };
                Ok((json(&banned), done))
            }
            Command::Lift(target) => {
                self.ban(&target, Timestamp::default()).await?;
                let lifted = name(&target);
                Ok((
                    json(&Lifted { lifted }),
                    format!("lifted the ban of {target}"),
                ))
            }
            Command::Revoke(revocation) => {
                let what = revocation.to_string();
                let denial = Denial {
                    before: revocation.before,
                    until: now + revocation.lasts,
                };
                let (denial, disconnected) = self
                    .denial(DenialKind::Revoke, revocation.key, denial)
                    .await?;
                let revoked = Revoked {
                    until: seconds(denial.until),
                    disconnected,
                };
                Ok((
                    json(&revoked),
                    format!("revoked {what}: {disconnected} sockets"),
                ))
            }
        }
    }

    /// Sets a denial in every object. Returns what is stored now, and how many sockets it closed.
    async fn denial(
        &self,
        kind: DenialKind,
        key: RegistryKey,
        denial: Denial,
    ) -> Result<(Denial, u64), Rejection> {
        let question = RegistryRequest::Deny {
            target: DenialTarget { kind, key },
            denial,
            stamped: false,
        };
        self.denied(0..SHARDS, &question).await
    }

    /// Bans, or with a time that has passed lifts a ban. The first object stamps the command with
    /// its time, so that of two commands for one target the later one wins in all objects.
    async fn ban(&self, target: &Target, until: Timestamp) -> Result<u64, Rejection> {
        let question = |before, stamped| RegistryRequest::Deny {
            target: DenialTarget {
                kind: DenialKind::Ban,
                key: target.key(),
            },
            denial: Denial { before, until },
            stamped,
        };
        let first = question(Timestamp::default(), true);
        let (denial, sockets) = self.denied(0..1, &first).await?;
        let others = question(denial.before, false);
        let (_, more) = self.denied(1..SHARDS, &others).await?;
        Ok(sockets + more)
    }

    /// Asks these objects to set a denial. Returns the first one's denial, and how many sockets
    /// were closed in all of them.
    async fn denied(
        &self,
        shards: Range<u8>,
        question: &RegistryRequest,
    ) -> Result<(Denial, u64), Rejection> {
        let mut first = None;
        let mut ended = 0;
        let mut full = Vec::new();
        for (shard, answer) in shards.clone().zip(self.ask(shards, question).await?) {
            match answer {
                RegistryResponse::Denied { denial, sockets } => {
                    first.get_or_insert(denial);
                    ended += sockets;
                }
                RegistryResponse::Full => full.push(shard.to_string()),
                other => return Err(nonsense(&other)),
            }
        }
        match first {
            Some(denial) if full.is_empty() => Ok((denial, ended)),
            _ => {
                let full = full.join(", ");
                let detail =
                    format!("object {full}: {MAX_DENIALS} are kept; in the others it may be done");
                let cause = detail.clone();
                Err(Reason::RegistryFull { detail }.because(cause))
            }
        }
    }

    async fn list(&self, key: Option<RegistryKey>) -> Result<Listed, Rejection> {
        let question = RegistryRequest::List {
            key,
            max: MAX_LISTED,
        };
        let mut found: Vec<Socket> = Vec::new();
        let mut truncated = false;
        for answer in self.ask(0..SHARDS, &question).await? {
            match answer {
                RegistryResponse::Listed {
                    sockets,
                    truncated: some,
                } => {
                    found.extend(sockets);
                    truncated |= some;
                }
                other => return Err(nonsense(&other)),
            }
        }
        let (sockets, are_more) = oldest(found, MAX_LISTED);
        Ok(Listed {
            sockets: sockets.into_iter().map(SocketView::from).collect(),
            truncated: truncated || are_more,
        })
    }

    /// The answers of all these objects, or an error that names those without an answer.
    async fn ask(
        &self,
        shards: Range<u8>,
        question: &RegistryRequest,
    ) -> Result<Vec<RegistryResponse>, Rejection> {
        let shards: Vec<_> = shards.collect();
        let answers = self.platform.ask_registry(&shards, question, self.timeout);
        let mut given = Vec::new();
        let mut failures = Vec::new();
        for (shard, answer) in shards.iter().zip(answers.await) {
            match answer {
                Ok(answer) => given.push(answer),
                Err(failure) => failures.push(format!("object {shard}: {failure}")),
            }
        }
        if failures.is_empty() {
            return Ok(given);
        }
        Err(not_done(failures.join("; ")))
    }
}

fn nonsense(answer: &RegistryResponse) -> Rejection {
    not_done(format!("an object answered {answer:?}"))
}

fn not_done(detail: String) -> Rejection {
    let cause = detail.clone();
    Reason::NotDone { detail }.because(cause)
}

fn json(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("texts and numbers")
}

/// Whole seconds since 1970, as tokens count them.
fn seconds(at: Timestamp) -> u64 {
    at.0 / 1000
}

fn name(target: &Target) -> String {
    match target {
        Target::Address { key, .. } => key.to_string(),
        Target::Subject(subject) => subject.clone(),
    }
}

#[derive(Serialize)]
struct Listed {
    /// Oldest first.
    sockets: Vec<SocketView>,
    truncated: bool,
}

/// A live socket as an administrator sees it; times in seconds since 1970.
#[derive(Serialize)]
struct SocketView {
    id: String,
    sub: Option<String>,
    sid: Option<String>,
    ip: String,
    route: String,
    origin: Option<String>,
    since: u64,
    expires: Option<u64>,
}

impl From<Socket> for SocketView {
    fn from(socket: Socket) -> Self {
        Self {
            id: socket.id,
            sub: socket.sub,
            sid: socket.sid,
            ip: socket.ip,
            route: socket.route,
            origin: socket.origin,
            since: seconds(socket.since),
            expires: socket.expires.map(seconds),
        }
    }
}

#[derive(Serialize)]
struct Disconnected {
    disconnected: u64,
}

#[derive(Serialize)]
struct Banned {
    banned: String,
    until: u64,
    disconnected: u64,
}

#[derive(Serialize)]
struct Lifted {
    lifted: String,
}

#[derive(Serialize)]
struct Revoked {
    until: u64,
    disconnected: u64,
}
