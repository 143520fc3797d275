//! A gate as one would write it with workers-rs: a list of origins, an HS256 token, and a sliding
//! window in SQLite, in a Durable Object.

use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, UntrustedToken};
use serde::Deserialize;
use worker::*;

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

const WINDOW: u64 = 60_000;

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let headers = request.headers();
    let header = |name| headers.get(name).ok().flatten().unwrap_or_default();
    if !header("Upgrade").eq_ignore_ascii_case("websocket") {
        return refuse("upgrade required", 426);
    }
    let origins = env.var("ALLOWED_ORIGINS")?.to_string();
    if !origins.split(',').any(|origin| origin == header("Origin")) {
        return refuse("origin not allowed", 403);
    }

    let offered = header("Sec-WebSocket-Protocol");
    let offered: Vec<_> = offered.split(',').map(str::trim).collect();
    let [scheme, token, protocols @ ..] = offered.as_slice() else {
        return refuse("token missing", 401);
    };
    if *scheme != "bearer" {
        return refuse("token missing", 401);
    }
    let secret = env.var("JWT_SECRET")?.to_string();
    let Some(user) = verify(token, &secret) else {
        return refuse("token invalid", 401);
    };

    let window = env.durable_object("WINDOWS")?;
    let window = window.id_from_name(&header("CF-Connecting-IP"))?.get_stub()?;
    let limit = env.var("LIMIT")?.to_string();
    let mut answer = window
        .fetch_with_str(&format!("https://window/{limit}"))
        .await?;
    if answer.text().await? != "admitted" {
        let refused = refuse("too many attempts", 429)?;
        refused.headers().set("Retry-After", "60")?;
        return Ok(refused);
    }

    let url = request.url()?;
    let query = url.query().map(|query| format!("?{query}"));
    let upstream = env.var("UPSTREAM")?.to_string();
    let target = format!("{upstream}{}{}", url.path(), query.unwrap_or_default());
    let forwarded = Headers::new();
    for (name, value) in headers.entries() {
        forwarded.set(&name, &value)?;
    }
    forwarded.set("X-User", &user)?;
    forwarded.set("Sec-WebSocket-Protocol", &protocols.join(", "))?;
    let mut init = RequestInit::new();
    init.with_headers(forwarded);
    let answer = Fetch::Request(Request::new_with_init(&target, &init)?)
        .send()
        .await?;
    let passed = answer.headers();
    let headers = Headers::new();
    for (name, value) in passed.entries() {
        headers.append(&name, &value)?;
    }
    for (name, value) in SECURITY {
        headers.set(name, value)?;
    }
    match answer.websocket() {
        Some(socket) => Ok(Response::from_websocket(socket)?.with_headers(headers)),
        None => refuse("bad gateway", 502),
    }
}

const SECURITY: [(&str, &str); 5] = [
    ("Strict-Transport-Security", "max-age=15552000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

fn refuse(error: &str, status: u16) -> Result<Response> {
    let refusal = Response::from_json(&serde_json::json!({ "error": error }))?;
    let refusal = refusal.with_status(status);
    for (name, value) in SECURITY {
        refusal.headers().set(name, value)?;
    }
    Ok(refusal)
}

fn verify(token: &str, secret: &str) -> Option<String> {
    let token = UntrustedToken::new(token).ok()?;
    let key = Hs256Key::new(secret);
    let token = Hs256.validator::<Claims>(&key).validate(&token).ok()?;
    let claims = token.claims();
    let seconds = (Date::now().as_millis() / 1000) as i64;
    (claims.expiration?.timestamp() > seconds).then(|| claims.custom.sub.clone())
}

#[durable_object]
pub struct Window {
    sql: SqlStorage,
}

impl DurableObject for Window {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        for statement in [
            "CREATE TABLE IF NOT EXISTS attempts (at INTEGER)",
            "CREATE INDEX IF NOT EXISTS by_time ON attempts (at)",
        ] {
            sql.exec(statement, None).expect("the table can be made");
        }
        Self { sql }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let limit: i64 = request.path()[1..].parse().unwrap_or(0);
        let now = Date::now().as_millis();
        let earliest = SqlStorageValue::from((now - WINDOW) as i64);
        self.sql
            .exec("DELETE FROM attempts WHERE at <= ?", vec![earliest])?;
        #[derive(Deserialize)]
        struct Seen {
            seen: i64,
        }
        let seen: Seen = self
            .sql
            .exec("SELECT COUNT(*) AS seen FROM attempts", None)?
            .one()?;
        if seen.seen >= limit {
            return Response::ok("refused");
        }
        let now = SqlStorageValue::from(now as i64);
        self.sql.exec("INSERT INTO attempts VALUES (?)", vec![now])?;
        Response::ok("admitted")
    }
}
