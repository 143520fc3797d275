//! Who may use the administrator's endpoints: holders of the `ADMIN_TOKEN`, and people whom
//! Cloudflare Access signed in.

use super::token::AdminToken;
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};
use crate::token::{Authentication, Identity};

/// The header in which Cloudflare Access sends its assertion of who signed in.
pub const ASSERTION: &str = "cf-access-jwt-assertion";

#[derive(Debug)]
pub struct Administrators {
    pub token: AdminToken,
    /// Verifies the assertions of Cloudflare Access, where that is set up.
    pub access: Option<Authentication>,
}

/// The proof in a request that it comes from an administrator.
pub enum Proof<'a> {
    Token,
    /// An assertion of Cloudflare Access, and how to verify it.
    Assertion(&'a Authentication),
}

impl Administrators {
    /// Reads the proof of a request. `Authorization` takes precedence over an assertion.
    pub fn proof(&self, request: &Request<'_>) -> Result<Proof<'_>, Rejection> {
        match &self.access {
            Some(access)
                if request.headers.get("authorization").is_none()
                    && request.headers.get(ASSERTION).is_some() =>
            {
                is_of_the_dashboard(request)?;
                Ok(Proof::Assertion(access))
            }
            _ => Ok(Proof::Token),
        }
    }
}

/// Cloudflare adds the assertion to every request of a browser that is signed in. A page of another
/// site can make the browser send a command, but the request then has that page's `Origin`.
fn is_of_the_dashboard(request: &Request<'_>) -> Result<(), Rejection> {
    let Some(origin) = request.headers.get("origin") else {
        return Ok(());
    };
    let scheme = if request.url.is_tls() {
        "https"
    } else {
        "http"
    };
    let host = request.headers.get("host").unwrap_or_default();
    match origin == format!("{scheme}://{host}") {
        true => Ok(()),
        false => {
            Err(Reason::OriginNotAllowed.because("a command of another page than the dashboard"))
        }
    }
}

/// The name of a person whom Cloudflare Access signed in: the e-mail address, or else the subject.
pub fn name_of(identity: &Identity) -> String {
    let email = identity
        .claims
        .get("email")
        .and_then(|email| email.as_str());
    let name = email.or(identity.subject.as_deref());
    name.unwrap_or("an unnamed service").to_owned()
}
