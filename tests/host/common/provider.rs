//! A provider of sessions in a test's hands, and a gate that asks it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use portcullis::record::Record;
use portcullis::response::reason::Rejection;
use portcullis::token::{
    Algorithm, Authentication, BackgroundKeys, Cryptography, Expectations, Identity,
    IntrospectionRequest, ProviderAnswer, Providers, RemoteKeys, RuntimeKey, Sessions, Source,
    TokenConflict,
};
use portcullis::util::time::{Clock, Timestamp};

use super::counters::ready;
use super::runtime::MAX_BYTES;
use super::{Ask, NOW, seconds};

/// A provider in a test's hands, that gives the same answer until it gets another.
pub struct Provider {
    pub now: Cell<Timestamp>,
    pub answer: RefCell<Result<ProviderAnswer, String>>,
    pub asked: RefCell<Vec<(String, String, String)>>,
}

impl Provider {
    pub fn saying(body: &str) -> Self {
        let provider = Self {
            now: Cell::new(NOW),
            answer: RefCell::new(Err("nothing yet".into())),
            asked: RefCell::default(),
        };
        provider.say(body);
        provider
    }

    pub fn say(&self, body: &str) {
        self.answer(Ok(json(200, body)));
    }

    pub fn answer(&self, answer: Result<ProviderAnswer, String>) {
        *self.answer.borrow_mut() = answer;
    }

    pub fn pass(&self, length: Duration) {
        self.now.set(self.now.get() + length);
    }

    pub fn times_asked(&self) -> usize {
        self.asked.borrow().len()
    }
}

pub fn json(status: u16, body: &str) -> ProviderAnswer {
    ProviderAnswer {
        status,
        content_type: "application/json;charset=UTF-8".into(),
        body: body.into(),
    }
}

impl Clock for Provider {
    fn now(&self) -> Timestamp {
        self.now.get()
    }
}

impl Cryptography for Provider {
    async fn verify(
        &self,
        _: &Rc<RuntimeKey>,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<bool, String> {
        Err("no runtime key in these tests".into())
    }
}

impl Providers for Provider {
    async fn fetch_keys(&self, _: &Rc<RemoteKeys>, _: bool) {}

    async fn introspect(
        &self,
        request: &IntrospectionRequest<'_>,
    ) -> Result<ProviderAnswer, String> {
        self.asked.borrow_mut().push((
            request.url.to_owned(),
            request.authorization.to_owned(),
            request.form.clone(),
        ));
        self.answer.borrow().clone()
    }
}

impl BackgroundKeys for Provider {
    fn fetch_keys_after_response(&self, _: &Rc<RemoteKeys>) {}
}

pub fn sessions_with(expectations: Expectations, fresh: Duration) -> Sessions {
    Sessions::new(
        "https://id.example/introspect".into(),
        "Basic Z2F0ZTpzZWNyZXQ=".into(),
        expectations,
        fresh,
    )
}

pub fn sessions() -> Sessions {
    sessions_with(Expectations::default(), seconds(30))
}

pub fn gate(sessions: Sessions) -> Authentication {
    Authentication {
        required: true,
        sources: vec![Source::Cookie("sid".into())],
        on_conflict: TokenConflict::Refuse,
        issuers: Vec::new(),
        sessions: Some(sessions),
        max_bytes: MAX_BYTES,
    }
}

/// Whom the gate takes the owner of this cookie for, and what it records of the credential.
pub fn check(
    gate: &Authentication,
    provider: &Provider,
    credential: &str,
) -> (Result<Identity, Rejection>, [Option<String>; 2]) {
    let ask = Ask::upgrade().with("cookie", &format!("sid={credential}"));
    let request = ask.request();
    let mut record = Record::begin(ask.key(), "id", "now".into());
    let checked = record.note_verdict(ready(gate.check(provider, gate.find(&request, &[]))));
    let identity = checked.map(|found| found.identity.expect("a credential was given"));
    (identity, [record.alg, record.kid])
}

pub fn owner(
    gate: &Authentication,
    provider: &Provider,
    credential: &str,
) -> Result<String, String> {
    let (identity, _) = check(gate, provider, credential);
    identity
        .map(|identity| identity.subject.unwrap_or_default())
        .map_err(|rejection| format!("{}: {}", rejection.reason.name(), rejection.cause))
}

pub fn invalid(cause: &str) -> Result<String, String> {
    Err(format!("token_invalid: {cause}"))
}

pub fn unverified(cause: &str) -> Result<String, String> {
    Err(format!(
        "provider_unavailable: the session can't be verified: {cause}"
    ))
}

pub const ADA: &str = r#"{"active":true,"sub":"ada"}"#;
pub const INACTIVE: &str = r#"{"active":false}"#;
