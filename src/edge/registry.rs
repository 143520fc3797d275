//! The Durable Objects that know the live sockets, revocations and bans, and how an isolate asks
//! them.

use std::cell::Cell;
use std::time::Duration;

use js_sys::Reflect;
use portcullis::config::REGISTRY_BINDING;
use portcullis::gateway::{Registered, Registration};
use portcullis::registry::{
    Answer, End, Entry, Key, MOST_MARKS, Mark, Marked, Named, Opening, Question, Socket, judge,
    oldest,
};
use portcullis::request::RequestUrl;
use portcullis::time::{Timestamp, millis};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::WebSocketRequestResponsePair;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, SqlStorage, SqlStorageValue, State,
    WebSocket, WebSocketIncomingMessage, WebSocketPair, durable_object,
};

use crate::channel::Channel;
use crate::native;
use crate::runtime::now;

/// What is over is swept out so often.
const SWEEP_EVERY: Duration = Duration::from_hours(24);

#[wasm_bindgen(module = "/registry.js")]
extern "C" {
    #[wasm_bindgen(js_name = askRegistry)]
    async fn ask_registry(
        namespace: &JsValue,
        shards: &[u8],
        question: &str,
        milliseconds: f64,
    ) -> JsValue;

    #[wasm_bindgen(js_name = register)]
    async fn register_socket(
        namespace: &JsValue,
        shard: u8,
        entry: &str,
        ends_when_lost: bool,
        milliseconds: f64,
    ) -> JsValue;
}

/// Asks these objects of the registry. An error says for the log why there is no answer.
pub async fn ask(
    env: &JsValue,
    shards: &[u8],
    question: &Question,
    timeout: Duration,
) -> Vec<std::result::Result<Answer, String>> {
    let namespace = native::binding(env, REGISTRY_BINDING);
    let question = question.to_json();
    let results = ask_registry(&namespace, shards, &question, millis(timeout) as f64).await;
    js_sys::Array::from(&results)
        .iter()
        .map(|result| answer_of(&result))
        .collect()
}

/// Asks whether a socket is admitted, and registers it where it is to have a channel.
pub async fn register(env: &JsValue, call: &Registration) -> Registered<Channel> {
    if !call.with_channel {
        let question = Question::Admit {
            entry: call.entry.clone(),
        };
        let mut answers = ask(env, &[call.shard], &question, call.timeout).await;
        return Registered {
            answer: answers.remove(0),
            channel: None,
        };
    }
    let namespace = native::binding(env, REGISTRY_BINDING);
    let result = register_socket(
        &namespace,
        call.shard,
        &call.entry.to_json(),
        call.ends_when_lost,
        millis(call.timeout) as f64,
    )
    .await;
    let channel = member(&result, "channel");
    Registered {
        answer: answer_of(&result),
        channel: Channel::held(channel),
    }
}

fn member(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}

/// From `{ text }` or `{ failure }`.
fn answer_of(result: &JsValue) -> std::result::Result<Answer, String> {
    let failure = member(result, "failure");
    if !failure.is_undefined() {
        return Err(native::describe(&failure));
    }
    let text = member(result, "text").as_string().unwrap_or_default();
    Answer::from_json(&text).ok_or_else(|| "the registry answered nonsense".to_owned())
}

/// One of the registry's objects. Marks stand in SQLite and are looked up there, so that an object
/// that wakes up has nothing to load; what it knows of a socket stands at the socket's channel,
/// which outlasts its sleep.
#[durable_object]
pub struct Registry {
    state: State,
    has_table: Cell<bool>,
    /// How many marks are stored, once counted.
    marks: Cell<Option<u32>>,
}

impl DurableObject for Registry {
    fn new(state: State, _env: Env) -> Self {
        // The platform answers these without waking the object up.
        if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pair);
        }
        Self {
            state,
            has_table: Cell::new(false),
            marks: Cell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let question = match request.headers().get("upgrade")? {
            Some(_) => return self.open(&request),
            None => request.text().await?,
        };
        let question =
            Question::from_json(&question).ok_or_else(|| Error::from("no question in the body"))?;
        let answer = self.answer(question)?;
        if matches!(answer, Answer::Marked { .. })
            && self.state.storage().get_alarm().await?.is_none()
        {
            self.state.storage().set_alarm(SWEEP_EVERY).await?;
        }
        Response::ok(answer.to_json())
    }

    async fn alarm(&self) -> Result<Response> {
        if self.sweep()? > 0 {
            self.state.storage().set_alarm(SWEEP_EVERY).await?;
        }
        Response::empty()
    }

    async fn websocket_message(&self, _: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        Ok(())
    }

    async fn websocket_close(&self, _: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        Ok(())
    }

    async fn websocket_error(&self, _: WebSocket, _: Error) -> Result<()> {
        Ok(())
    }
}

impl Registry {
    /// Judges a socket and registers it. Nothing in here waits, and an object runs one piece of
    /// code at a time: no revocation can come between.
    fn open(&self, request: &Request) -> Result<Response> {
        let url = request.inner().url();
        let opening = RequestUrl::split(&url).query.and_then(Opening::from_query);
        let Opening { entry, again } =
            opening.ok_or_else(|| Error::from("no entry in the query of the URL"))?;
        if let Err(end) = self.judge(&entry, again)? {
            let response = Response::empty()?;
            let headers = response.headers();
            headers.set("answer", &Answer::Refused { end }.to_json())?;
            headers.set("message", &end.message())?;
            return Ok(response);
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let tags: Vec<_> = entry.keys.iter().map(Key::as_str).collect();
        self.state.accept_websocket_with_tags(&server, &tags);
        server.serialize_attachment(entry.socket.to_json())?;
        let response = Response::from_websocket(client)?;
        response
            .headers()
            .set("answer", &Answer::Admitted.to_json())?;
        Ok(response)
    }

    fn answer(&self, question: Question) -> Result<Answer> {
        Ok(match question {
            Question::Admit { entry } => match self.judge(&entry, false)? {
                Ok(()) => Answer::Admitted,
                Err(end) => Answer::Refused { end },
            },
            Question::Mark {
                named,
                mark,
                spoken,
            } => self.mark(&named, mark, spoken)?,
            Question::List { key, most } => {
                let sockets = self.sockets(key.as_ref())?;
                let sockets = sockets.into_iter().map(|(_, socket)| socket).collect();
                let (sockets, truncated) = oldest(sockets, most);
                Answer::Listed { sockets, truncated }
            }
            Question::Prolong {
                entry,
                party,
                session,
            } => match self.judge(&entry, false)? {
                Err(end) => Answer::Refused { end },
                Ok(()) => Answer::Prolonged {
                    sockets: self.prolong(&entry.socket, &party, session.as_ref())?,
                },
            },
        })
    }

    fn judge(&self, entry: &Entry, again: bool) -> Result<std::result::Result<(), End>> {
        let questions = entry.questions(again);
        let mut found = Vec::new();
        for (name, mark) in self.load(&questions)? {
            let named = questions.iter().find(|named| named.name() == name);
            found.extend(named.map(|named| (named.verb, mark)));
        }
        Ok(judge(&entry.socket, &found, now()))
    }

    /// Stores a mark and ends the sockets that it hits.
    fn mark(&self, named: &Named, mark: Mark, spoken: bool) -> Result<Answer> {
        let now = now();
        let stored = self.load(std::slice::from_ref(named))?;
        let stored = stored.into_iter().next().map(|(_, mark)| mark);
        let before = if spoken {
            Mark::spoken(stored, now)
        } else {
            mark.before
        };
        let given = Mark { before, ..mark };
        let Marked {
            stored: mark,
            is_new,
        } = given.over(named.verb, stored);
        if stored.is_none() && !self.has_room()? && mark.needs_room(named.verb, now) {
            return Ok(Answer::Full);
        }
        let mut ended = 0;
        for (channel, socket) in self.sockets(named.key.tag())? {
            if let Some(end) = mark.hits(named.verb, &socket, now) {
                tell(&channel, &end.message());
                // What was told is no live socket any more, whenever its isolate comes to it.
                let _ = channel.close(Some(1000), Some("told"));
                ended += 1;
            }
        }
        // Last, for what is sent after a write waits until that is safe.
        if is_new {
            self.store(named, mark)?;
            self.marks
                .update(|marks| marks.map(|count| count + u32::from(stored.is_none())));
        }
        Ok(Answer::Marked {
            mark: given,
            sockets: ended,
        })
    }

    fn prolong(&self, newer: &Socket, party: &Key, session: Option<&Key>) -> Result<u64> {
        let mut prolonged = 0;
        for (channel, mut socket) in self.sockets(Some(party))? {
            let is_of = |session: &Key| {
                let tags = self.state.get_tags(&channel);
                tags.iter().any(|tag| tag == session.as_str())
            };
            if socket.realm != newer.realm || !session.is_none_or(is_of) {
                continue;
            }
            if let Some(until) = socket.prolong(newer.expires.unwrap_or_default()) {
                channel.serialize_attachment(socket.to_json())?;
                tell(&channel, &format!("expires {}", until.0));
            }
            prolonged += 1;
        }
        Ok(prolonged)
    }

    /// The live sockets of a key, or all, with their channels.
    fn sockets(&self, key: Option<&Key>) -> Result<Vec<(WebSocket, Socket)>> {
        let channels = match key {
            Some(key) => self.state.get_websockets_with_tag(key.as_str()),
            None => self.state.get_websockets(),
        };
        let mut sockets = Vec::new();
        for channel in channels.into_iter().filter(is_open) {
            let text = channel.deserialize_attachment::<String>()?;
            let socket = text.as_deref().and_then(Socket::from_json);
            let socket = socket.ok_or_else(|| Error::from("a channel's socket can't be read"))?;
            sockets.push((channel, socket));
        }
        Ok(sockets)
    }
}

/// A channel that is broken tells so by itself.
fn tell(channel: &WebSocket, message: &str) {
    let _ = channel.send_with_str(message);
}

fn is_open(channel: &WebSocket) -> bool {
    channel.as_ref().ready_state() == worker::web_sys::WebSocket::OPEN
}

/// Marks in SQLite, by their names.
impl Registry {
    /// The storage with its table.
    fn sql(&self) -> Result<SqlStorage> {
        let sql = self.state.storage().sql();
        if !self.has_table.replace(true) {
            sql.exec(
                "CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, \
                 before INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
                None,
            )?;
        }
        Ok(sql)
    }

    fn load(&self, names: &[Named]) -> Result<Vec<(String, Mark)>> {
        let names: Vec<_> = names.iter().map(Named::name).collect();
        let names = serde_json::to_string(&names)?;
        let rows = self.sql()?.exec(
            "SELECT name, before, until FROM marks \
             WHERE name IN (SELECT value FROM json_each(?))",
            vec![names.into()],
        )?;
        let mut found = Vec::new();
        for columns in rows.raw() {
            match columns?.as_slice() {
                [
                    SqlStorageValue::String(name),
                    SqlStorageValue::Integer(before),
                    SqlStorageValue::Integer(until),
                ] => {
                    let mark = Mark {
                        before: Timestamp(*before as u64),
                        until: Timestamp(*until as u64),
                    };
                    found.push((name.clone(), mark));
                }
                _ => return Err(Error::from("a stored mark has other types")),
            }
        }
        Ok(found)
    }

    fn store(&self, named: &Named, mark: Mark) -> Result<()> {
        let columns = vec![
            named.name().into(),
            SqlStorageValue::Integer(mark.before.0 as i64),
            SqlStorageValue::Integer(mark.until.0 as i64),
        ];
        let insert = "INSERT OR REPLACE INTO marks VALUES (?, ?, ?)";
        self.sql()?.exec(insert, columns)?;
        Ok(())
    }

    fn has_room(&self) -> Result<bool> {
        let count = match self.marks.get() {
            Some(count) if count < MOST_MARKS => count,
            // What is over needs no room.
            _ => self.sweep()?,
        };
        Ok(count < MOST_MARKS)
    }

    /// Forgets what is over; gives how many marks are left.
    fn sweep(&self) -> Result<u32> {
        let sql = self.sql()?;
        let now = SqlStorageValue::Integer(now().0 as i64);
        sql.exec("DELETE FROM marks WHERE until <= ?", vec![now])?;
        let mut rows = sql.exec("SELECT COUNT(*) FROM marks", None)?.raw();
        let count = match rows.next().transpose()?.as_deref() {
            Some([SqlStorageValue::Integer(count)]) => *count as u32,
            _ => return Err(Error::from("marks can't be counted")),
        };
        self.marks.set(Some(count));
        Ok(count)
    }
}
