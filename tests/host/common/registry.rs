//! Live sockets as the registry knows them, and one of its objects on a real SQLite database.

use portcullis::registry::{
    About, Arrival, Claim, Denial, DenialKind, DenialReason, DenialTarget, Denials, Effect,
    LiveSocket, Needed, Opening, RegistryKey, RegistryRequest, RegistryResponse, Socket,
    SocketEntry, Sql, SqlValue, Step, step,
};
use portcullis::request::address::{ClientAddress, Ipv6Prefix};
use portcullis::token::Identity;
use portcullis::util::time::Timestamp;

use super::{NOW, ms};

pub use super::identity;

pub fn entry(ip: &str, identity: Option<&Identity>) -> SocketEntry {
    let arrival = Arrival {
        id: "0123",
        address: ClientAddress::parse(Some(ip)).key(Ipv6Prefix::default()),
        route: "/*",
        origin: Some("https://app.example.com"),
        realm: "realm",
        token: None,
        now: NOW,
    };
    SocketEntry::new(
        &arrival,
        identity.map(|identity| (identity, identity.expires)),
    )
}

pub const ALICE: &str =
    r#"{"iss":"https://id","sub":"alice","sid":"s1","jti":"t1","iat":1800000000}"#;

pub fn alice() -> SocketEntry {
    entry("192.0.2.7", Some(&identity(ALICE)))
}

/// A request to deny what has this key.
pub fn deny(kind: DenialKind, key: RegistryKey, denial: Denial) -> RegistryRequest {
    RegistryRequest::Deny {
        target: DenialTarget { kind, key },
        denial,
        stamped: false,
        about: About::default(),
    }
}

pub fn after(milliseconds: u64) -> Timestamp {
    NOW + ms(milliseconds)
}

/// A database in memory.
pub struct Sqlite(rusqlite::Connection);

impl Default for Sqlite {
    fn default() -> Self {
        Self(rusqlite::Connection::open_in_memory().expect("SQLite"))
    }
}

impl Sqlite {
    /// Stores so many denials of others' tokens besides.
    pub fn fill(&self, count: u32, until: Timestamp) {
        let rows = "WITH RECURSIVE numbers(number) AS \
            (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) \
            INSERT INTO denials (name, before, until, kind, id, about, since) \
            SELECT 'revoke jti filler ' || number, 0, ?, 'revoke', 'filler ' || number, '{}', 0 \
            FROM numbers";
        let stored = self.0.execute(rows, (count, until.0 as i64));
        assert_eq!(stored, Ok(count as usize));
    }
}

impl Sql for &Sqlite {
    fn run(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, String> {
        use rusqlite::types::Value;
        let bound = values.iter().map(|value| match value {
            SqlValue::Null => Value::Null,
            SqlValue::Text(text) => Value::Text(text.clone()),
            SqlValue::Integer(number) => Value::Integer(*number),
        });
        let run = || {
            let mut statement = self.0.prepare(statement)?;
            let columns = statement.column_count();
            let rows = statement.query_map(rusqlite::params_from_iter(bound), |row| {
                (0..columns)
                    .map(|column| row.get(column))
                    .collect::<Result<Vec<Value>, _>>()
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let rows = run().map_err(|error| error.to_string())?;
        rows.into_iter()
            .map(|row| row.into_iter().map(read_value).collect())
            .collect()
    }
}

fn read_value(value: rusqlite::types::Value) -> Result<SqlValue, String> {
    match value {
        rusqlite::types::Value::Null => Ok(SqlValue::Null),
        rusqlite::types::Value::Text(text) => Ok(SqlValue::Text(text)),
        rusqlite::types::Value::Integer(number) => Ok(SqlValue::Integer(number)),
        other => Err(format!("another type: {other:?}")),
    }
}

/// A live socket with the messages that its channel got.
#[derive(Debug, Clone)]
pub struct Live {
    pub entry: SocketEntry,
    pub messages: Vec<String>,
}

impl LiveSocket for Live {
    fn socket(&self) -> &Socket {
        &self.entry.socket
    }

    fn has_key(&self, key: &RegistryKey) -> bool {
        self.entry.keys.contains(key) || self.entry.owner == *key
    }
}

/// An object of the registry: what the Durable Object does with the core, without a platform.
pub struct Object<'a> {
    pub denials: Denials<&'a Sqlite>,
    pub live: Vec<Live>,
    /// The ids of the sockets that were closed, with the reason.
    pub ended: Vec<(String, DenialReason)>,
    /// The effects of the last step.
    pub effects: Vec<Effect>,
}

impl<'a> Object<'a> {
    pub fn on(database: &'a Sqlite) -> Self {
        Self {
            denials: Denials::new(database),
            live: Vec::new(),
            ended: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Registers a socket, or refuses it.
    pub fn open(&mut self, entry: &SocketEntry, again: bool, now: Timestamp) -> RegistryResponse {
        let opening = Opening {
            entry: entry.clone(),
            again,
        };
        let response = self.ask(&RegistryRequest::Open(opening), now);
        if matches!(response, RegistryResponse::Admitted { .. }) {
            self.live.push(Live {
                entry: entry.clone(),
                messages: Vec::new(),
            });
        }
        response
    }

    pub fn ask(&mut self, request: &RegistryRequest, now: Timestamp) -> RegistryResponse {
        let mut stored = self.denials.load_for(request, now).expect("SQL");
        if let Some(owner) = request.owner() {
            stored.owned = self.live.iter().filter(|live| live.has_key(owner)).count();
        }
        let (found, sockets): (Vec<usize>, Vec<Live>) = match request.sockets() {
            Needed::None => Default::default(),
            Needed::All => self.live.iter().cloned().enumerate().unzip(),
            Needed::Tagged(tag) => {
                let all = self.live.iter().cloned().enumerate();
                all.filter(|(_, live)| live.has_key(tag)).unzip()
            }
        };
        let Step { response, effects } = step(request, &stored, &sockets, now);
        let mut gone = Vec::new();
        for effect in &effects {
            match effect.clone() {
                Effect::End { at, reason } => {
                    self.ended
                        .push((sockets[at].entry.socket.id.clone(), reason));
                    gone.push(found[at]);
                }
                Effect::Extend {
                    at,
                    socket,
                    message,
                } => {
                    let live = &mut self.live[found[at]];
                    live.entry.socket = *socket;
                    live.messages.push(message);
                }
                Effect::Store {
                    target,
                    denial,
                    about,
                    is_first,
                } => {
                    let stored = self.denials.store(&target, denial, &about, is_first, now);
                    stored.expect("SQL");
                }
                Effect::Delete { kind, id } => {
                    self.denials.delete(kind, &id).expect("SQL");
                }
                Effect::SweepIn(_) => {}
            }
        }
        let mut at = 0..;
        self.live
            .retain(|_| !gone.contains(&at.next().expect("a place")));
        self.effects = effects;
        response
    }
}

/// A socket of Alice's with this id, with claims over hers.
pub fn socket(id: &str, claims: &[(&str, &str)]) -> SocketEntry {
    let mut json = ALICE.to_owned();
    for (from, to) in claims {
        json = json.replace(from, to);
    }
    let mut entry = entry("192.0.2.7", Some(&identity(&json)));
    entry.keys[0] = RegistryKey::socket(id);
    entry.socket.id = id.into();
    entry
}

/// An object with four sockets: two of Alice's sessions, one of Bob's, one without a token.
pub fn crowd(database: &Sqlite) -> Object<'_> {
    let mut object = Object::on(database);
    let mut nobody = entry("198.51.100.1", None);
    nobody.keys[0] = RegistryKey::socket("nobody");
    nobody.socket.id = "nobody".into();
    for entry in [
        socket("first", &[]),
        socket("second", &[("s1", "s2"), ("t1", "t2")]),
        socket("bob", &[("alice", "bob"), ("s1", "s3"), ("t1", "t3")]),
        nobody,
    ] {
        let response = object.open(&entry, false, NOW);
        assert!(matches!(response, RegistryResponse::Admitted { .. }));
    }
    object
}

pub fn subject(value: &str) -> RegistryKey {
    RegistryKey::claim(Claim::Subject, None, value)
}

pub fn jti(value: &str) -> RegistryKey {
    RegistryKey::claim(Claim::Token, None, value)
}
