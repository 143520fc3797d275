//! `/_portcullis/admin/`: carries out an administrator's command in all objects of the registry.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use super::attempt::Attempt;
use super::passage::Passage;
use super::permit::Permit;
use super::platform::Platform;
use crate::admin::{
    Banned, Bans, Command, Disconnected, Lifted, LiftedRevocation, MAX_BODY_BYTES, Revocation,
    Revocations, Revoked, Sockets, Target,
};
use crate::metrics::{Action, CONTENT_TYPE, MetricsRequest};
use crate::policy::Site;
use crate::record::Outcome;
use crate::registry::{
    About, DISCONNECT_LASTS, Denial, DenialKind, DenialTarget, ListedDenial, MAX_DENIALS,
    MAX_DENIALS_OF_SUBJECT, MAX_LISTED, RegistryKey, RegistryRequest, RegistryResponse, SHARDS,
    Socket, newest, oldest,
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
        let (json, done) = match &command {
            Command::Explain { target, issuer } => {
                let explained = self.explain(&objects, site, target, issuer.as_deref());
                (json(&explained.await?), format!("explained {target}"))
            }
            Command::Metrics => {
                let text = self.open_metrics(&objects, site).await?;
                return Ok(self.unrecorded(CONTENT_TYPE, text));
            }
            Command::Overview { with_lists } => {
                let overview = self.overview(&objects, site, *with_lists).await?;
                return Ok(self.unrecorded("application/json", json(&overview)));
            }
            _ => {
                let (is_change, undo) = (command.is_change(), command.undo());
                let (json, done) = objects.obey(command).await?;
                if is_change {
                    self.note_action(done.clone(), undo, counting.timeout).await;
                }
                (json, done)
            }
        };
        self.record.note_administered(done);
        Ok(Passage::Json { json })
    }

    /// An answer that is asked for every few seconds, and tells of no change: it leaves no record.
    fn unrecorded(&mut self, content_type: &'static str, text: String) -> Passage<P> {
        self.record.outcome = Outcome::Administered;
        Passage::Unrecorded { content_type, text }
    }

    /// Keeps what was done, for the dashboard. The record has it in any case.
    async fn note_action(&self, what: String, undo: Option<(String, String)>, timeout: Duration) {
        let action = MetricsRequest::Act(Action {
            at: self.platform.now(),
            by: self.administrator.clone().unwrap_or_default(),
            what,
            undo,
        });
        // Done is done: who asked must not be told otherwise.
        let _ = self.platform.ask_metrics(&action, timeout).await;
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
pub(super) struct Objects<'a, P> {
    pub platform: &'a P,
    pub timeout: Duration,
}

impl<P: Platform> Objects<'_, P> {
    /// Carries out a command. Returns the response as JSON, and what was done for the record.
    async fn obey(&self, command: Command) -> Result<(String, String), Rejection> {
        let now = self.platform.now();
        match command {
            Command::List(filter) => {
                let listed = self.list(filter.map(|filter| filter.key())).await?;
                let done = format!("listed {} sockets", listed.count());
                Ok((json(&listed), done))
            }
            Command::Disconnect(filter) => {
                let denial = Denial {
                    before: now,
                    until: now + DISCONNECT_LASTS,
                };
                let target = DenialTarget {
                    kind: DenialKind::Disconnect,
                    key: filter.key(),
                };
                let (_, disconnected) = self.deny(target, About::default(), denial).await?;
                let done = format!("disconnected {filter}: {disconnected} sockets");
                Ok((json(&Disconnected { disconnected }), done))
            }
            Command::Ban { target, lasts } => {
                let until = now + lasts;
                let disconnected = self.ban(&target, until).await?;
                let done = format!("banned {target}: {disconnected} sockets");
                Ok((json(&Banned::new(&target, until, disconnected)), done))
            }
            Command::Lift(target) => {
                self.ban(&target, Timestamp::default()).await?;
                let done = format!("lifted the ban of {target}");
                Ok((json(&Lifted::new(&target)), done))
            }
            Command::ListBans => {
                let (bans, truncated) = self.denials(DenialKind::Ban, None).await?;
                let done = format!("listed {} bans", bans.len());
                Ok((json(&Bans::new(bans, truncated)), done))
            }
            Command::ListRevocations => {
                let (revocations, truncated) = self.denials(DenialKind::Revoke, None).await?;
                let done = format!("listed {} revocations", revocations.len());
                Ok((json(&Revocations::new(revocations, truncated)), done))
            }
            Command::LiftRevocation(id) => {
                let existed = self.lift_revocation(&id).await?;
                let done = match existed {
                    true => format!("lifted the revocation {id}"),
                    false => format!("found no revocation {id} to lift"),
                };
                let lifted = LiftedRevocation {
                    lifted: id,
                    existed,
                };
                Ok((json(&lifted), done))
            }
            Command::Revoke(revocation) => self.revoke(revocation, now).await,
            Command::Explain { .. } | Command::Metrics | Command::Overview { .. } => {
                unreachable!("answered with more than the registry")
            }
        }
    }

    async fn revoke(
        &self,
        revocation: Revocation,
        now: Timestamp,
    ) -> Result<(String, String), Rejection> {
        let what = revocation.to_string();
        let denial = Denial {
            before: revocation.before,
            until: now + revocation.lasts,
        };
        let target = revocation.target();
        let id = target.id();
        let (denial, disconnected) = self.deny(target, revocation.about, denial).await?;
        Ok((
            json(&Revoked::new(id, denial.until, disconnected)),
            format!("revoked {what}: {disconnected} sockets"),
        ))
    }

    /// Sets a denial in every object. Returns what is stored now, and how many sockets it closed.
    async fn deny(
        &self,
        target: DenialTarget,
        about: About,
        denial: Denial,
    ) -> Result<(Denial, u64), Rejection> {
        let question = RegistryRequest::Deny {
            target,
            denial,
            stamped: false,
            about,
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
            about: target.about(),
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
        let (mut full, mut subject_full) = (Vec::new(), Vec::new());
        for (shard, answer) in shards.clone().zip(self.ask(shards, question).await?) {
            match answer {
                RegistryResponse::Denied { denial, sockets } => {
                    first.get_or_insert(denial);
                    ended += sockets;
                }
                RegistryResponse::Full => full.push(shard.to_string()),
                RegistryResponse::SubjectFull => subject_full.push(shard.to_string()),
                other => return Err(nonsense(&other)),
            }
        }
        let faults = [
            (full, format!("{MAX_DENIALS} are kept")),
            (
                subject_full,
                format!("{MAX_DENIALS_OF_SUBJECT} about this subject are kept"),
            ),
        ];
        let faults = faults.into_iter().filter(|(shards, _)| !shards.is_empty());
        let faults: Vec<_> = faults
            .map(|(shards, why)| format!("object {}: {why}", shards.join(", ")))
            .collect();
        match first {
            Some(denial) if faults.is_empty() => Ok((denial, ended)),
            _ => {
                let detail = format!("{}; in the others it may be done", faults.join("; "));
                let cause = detail.clone();
                Err(Reason::RegistryFull { detail }.because(cause))
            }
        }
    }

    /// Deletes a revocation in every object. Returns whether any of them had it.
    async fn lift_revocation(&self, id: &str) -> Result<bool, Rejection> {
        let question = RegistryRequest::Lift {
            kind: DenialKind::Revoke,
            id: id.to_owned(),
        };
        let mut any = false;
        for answer in self.ask(0..SHARDS, &question).await? {
            match answer {
                RegistryResponse::Lifted { existed } => any |= existed,
                other => return Err(nonsense(&other)),
            }
        }
        Ok(any)
    }

    /// The denials of one kind, all or about some keys, the newest first, and whether there are more. Each is in every
    /// object, unless it was carried out in part.
    pub(super) async fn denials(
        &self,
        kind: DenialKind,
        about: Option<Vec<RegistryKey>>,
    ) -> Result<(Vec<ListedDenial>, bool), Rejection> {
        let question = RegistryRequest::ListDenials {
            kind,
            max: MAX_LISTED,
            about,
        };
        let mut found = Vec::new();
        let mut truncated = false;
        for answer in self.ask(0..SHARDS, &question).await? {
            match answer {
                RegistryResponse::ListedDenials {
                    denials,
                    truncated: some,
                } => {
                    found.extend(denials);
                    truncated |= some;
                }
                other => return Err(nonsense(&other)),
            }
        }
        let (denials, are_more) = newest(kind, found, MAX_LISTED);
        Ok((denials, truncated || are_more))
    }

    async fn list(&self, key: Option<RegistryKey>) -> Result<Sockets, Rejection> {
        let (sockets, truncated) = self.sockets(key).await?;
        Ok(Sockets::new(sockets, truncated))
    }

    /// The live sockets with a key, or all, oldest first, and whether there are more.
    pub(super) async fn sockets(
        &self,
        key: Option<RegistryKey>,
    ) -> Result<(Vec<Socket>, bool), Rejection> {
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
        Ok((sockets, truncated || are_more))
    }

    /// The answers of all these objects, or an error that names those without an answer.
    pub(super) async fn ask(
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

pub(super) fn nonsense(answer: &RegistryResponse) -> Rejection {
    not_done(format!("an object answered {answer:?}"))
}

pub(super) fn not_done(detail: String) -> Rejection {
    let cause = detail.clone();
    Reason::NotDone { detail }.because(cause)
}

pub(super) fn json(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("texts and numbers")
}
