//! `/_portcullis/admin/`: what an administrator does to all objects of the registry.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use super::{Edge, Gate, Passage};
use crate::admin::{AdminToken, Command, MOST_BODY_BYTES, Party};
use crate::config::Site;
use crate::record::{Record, Stage};
use crate::registry::{
    Answer, KICK_LASTS, Key, MOST_LISTED, MOST_MARKS, Mark, Named, Question, SHARDS, Socket, Verb,
    oldest,
};
use crate::request::Request;
use crate::request::address::ClientAddress;
use crate::response::reason::{Reason, Rejection};
use crate::util::time::Timestamp;

impl Gate {
    /// Steps 6 to 9 for a request to an administrator's path. Failed tries count as attempts of
    /// their address; the administrator's own do not.
    pub(super) async fn administer<E: Edge>(
        &self,
        edge: &E,
        request: &Request<'_>,
        token: &AdminToken,
        site: &Site,
        record: &mut Record,
    ) -> Result<Passage<E>, Rejection> {
        // 6. bans and exhausted quotas already known here
        record.stage = Stage::Known;
        let counting = &site.elsewhere.counting;
        let address = request.address.key(counting.ipv6_prefix);
        self.check_address(counting, address, edge.now())?;

        // 7. token
        record.stage = Stage::Token;
        token.check(request)?;

        // 9. in place of counters: what is asked for
        record.stage = Stage::Counters;
        let body = match Command::has_body(request) {
            false => String::new(),
            true => edge.body(MOST_BODY_BYTES).await.map_err(|failure| {
                let detail = format!("the body can't be read: {failure}");
                Reason::BadRequest { detail }.because("the body can't be read")
            })?,
        };
        let command = Command::read(request, &body, counting.ipv6_prefix, edge.now())?;
        let objects = Objects {
            edge,
            timeout: counting.timeout,
        };
        if let Command::Lift(Party::Address { address, .. }) = &command {
            self.lift(edge, site, *address).await?;
        }
        let (json, said) = objects.obey(command).await?;
        record.note_administered(said);
        Ok(Passage::Json { json })
    }

    /// Lifts the bans that an address's own failures brought: one for each `IPV6_PREFIX` that
    /// routes count it by.
    async fn lift<E: Edge>(
        &self,
        edge: &E,
        site: &Site,
        address: ClientAddress,
    ) -> Result<(), Rejection> {
        let mut lifted = Vec::new();
        for counting in site.banning() {
            let call = counting.lift(address.key(counting.ipv6_prefix), edge.now());
            if lifted.contains(&call.ledger) {
                continue;
            }
            match edge.ask(&call).await.answer {
                Ok(answer) => self.learn(&call, &answer, edge.now()),
                Err(failure) => return Err(not_done(format!("{}: {failure}", call.party))),
            }
            lifted.push(call.ledger);
        }
        Ok(())
    }
}

/// All objects of the registry.
struct Objects<'a, E> {
    edge: &'a E,
    timeout: Duration,
}

impl<E: Edge> Objects<'_, E> {
    /// Does it; gives the answer as JSON and what was done, for the record.
    async fn obey(&self, command: Command) -> Result<(String, String), Rejection> {
        let now = self.edge.now();
        match command {
            Command::List(filter) => {
                let listed = self.list(filter.map(|filter| filter.key())).await?;
                let said = format!("listed {} sockets", listed.sockets.len());
                Ok((json(&listed), said))
            }
            Command::Disconnect(filter) => {
                let mark = Mark {
                    before: now,
                    until: now + KICK_LASTS,
                };
                let (_, disconnected) = self.mark(Verb::Kick, filter.key(), mark).await?;
                let said = format!("disconnected {filter}: {disconnected} sockets");
                Ok((json(&Disconnected { disconnected }), said))
            }
            Command::Ban { party, lasts } => {
                let until = now + lasts;
                let disconnected = self.ban(&party, until).await?;
                let said = format!("banned {party}: {disconnected} sockets");
                let banned = Banned {
                    banned: name(&party),
                    until: seconds(until),
                    disconnected,
                };
                Ok((json(&banned), said))
            }
            Command::Lift(party) => {
                self.ban(&party, Timestamp::default()).await?;
                let lifted = name(&party);
                Ok((
                    json(&Lifted { lifted }),
                    format!("lifted the ban of {party}"),
                ))
            }
            Command::Revoke(revocation) => {
                let said = revocation.to_string();
                let mark = Mark {
                    before: revocation.before,
                    until: now + revocation.lasts,
                };
                let (mark, disconnected) = self.mark(Verb::Revoke, revocation.key, mark).await?;
                let revoked = Revoked {
                    until: seconds(mark.until),
                    disconnected,
                };
                Ok((
                    json(&revoked),
                    format!("revoked {said}: {disconnected} sockets"),
                ))
            }
        }
    }

    /// Sets a mark in every object; gives what is stored now, and how many sockets it ended.
    async fn mark(&self, verb: Verb, key: Key, mark: Mark) -> Result<(Mark, u64), Rejection> {
        let question = Question::Mark {
            named: Named { verb, key },
            mark,
            spoken: false,
        };
        self.marked(0..SHARDS, &question).await
    }

    /// Bans, or with a time that has passed lifts a ban. Of two that are about one party the later
    /// counts in all objects: the first of them says when it was spoken.
    async fn ban(&self, party: &Party, until: Timestamp) -> Result<u64, Rejection> {
        let question = |before, spoken| Question::Mark {
            named: Named {
                verb: Verb::Ban,
                key: party.key(),
            },
            mark: Mark { before, until },
            spoken,
        };
        let first = question(Timestamp::default(), true);
        let (mark, sockets) = self.marked(0..1, &first).await?;
        let others = question(mark.before, false);
        let (_, more) = self.marked(1..SHARDS, &others).await?;
        Ok(sockets + more)
    }

    /// Asks these objects to set a mark: the first one's mark, and how many sockets all ended.
    async fn marked(
        &self,
        shards: Range<u8>,
        question: &Question,
    ) -> Result<(Mark, u64), Rejection> {
        let mut first = None;
        let mut ended = 0;
        let mut full = Vec::new();
        for (shard, answer) in shards.clone().zip(self.ask(shards, question).await?) {
            match answer {
                Answer::Marked { mark, sockets } => {
                    first.get_or_insert(mark);
                    ended += sockets;
                }
                Answer::Full => full.push(shard.to_string()),
                other => return Err(nonsense(&other)),
            }
        }
        match first {
            Some(mark) if full.is_empty() => Ok((mark, ended)),
            _ => {
                let full = full.join(", ");
                let detail =
                    format!("object {full}: {MOST_MARKS} are kept; in the others it may be done");
                let cause = detail.clone();
                Err(Reason::RegistryFull { detail }.because(cause))
            }
        }
    }

    async fn list(&self, key: Option<Key>) -> Result<Listed, Rejection> {
        let question = Question::List {
            key,
            most: MOST_LISTED,
        };
        let mut found: Vec<Socket> = Vec::new();
        let mut truncated = false;
        for answer in self.ask(0..SHARDS, &question).await? {
            match answer {
                Answer::Listed {
                    sockets,
                    truncated: some,
                } => {
                    found.extend(sockets);
                    truncated |= some;
                }
                other => return Err(nonsense(&other)),
            }
        }
        let (sockets, are_more) = oldest(found, MOST_LISTED);
        Ok(Listed {
            sockets: sockets.into_iter().map(Shown::from).collect(),
            truncated: truncated || are_more,
        })
    }

    /// The answers of all these objects, or which of them gave none.
    async fn ask(&self, shards: Range<u8>, question: &Question) -> Result<Vec<Answer>, Rejection> {
        let shards: Vec<_> = shards.collect();
        let answers = self.edge.ask_registry(&shards, question, self.timeout);
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

fn nonsense(answer: &Answer) -> Rejection {
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

fn name(party: &Party) -> String {
    match party {
        Party::Address { key, .. } => key.to_string(),
        Party::Subject(subject) => subject.clone(),
    }
}

#[derive(Serialize)]
struct Listed {
    /// Oldest first.
    sockets: Vec<Shown>,
    truncated: bool,
}

/// A live socket as an administrator sees it; times in seconds since 1970.
#[derive(Serialize)]
struct Shown {
    id: String,
    sub: Option<String>,
    sid: Option<String>,
    ip: String,
    route: String,
    origin: Option<String>,
    since: u64,
    expires: Option<u64>,
}

impl From<Socket> for Shown {
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
