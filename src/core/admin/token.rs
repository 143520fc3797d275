//! What an administrator may ask for, under `/_portcullis/admin/`: who is one, and what a request
//! says.

use std::fmt;
use std::hint::black_box;

use sha2::{Digest, Sha256};

use crate::request::Request;
use crate::response::reason::{Reason, Rejection};
use crate::token::{Credential, Source};

const MIN_CHARACTERS: usize = 32;

/// `ADMIN_TOKEN`, as its SHA-256: what is compared has one length, whatever is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken([u8; 32]);

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(REDACTED)")
    }
}

impl AdminToken {
    /// The error says what is wrong and what would be right, and nothing of the token.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
        {
            return Err(
                "it can't be sent in a header: write visible ASCII without spaces and commas"
                    .into(),
            );
        }
        if text.len() < MIN_CHARACTERS {
            return Err(format!(
                "it is shorter than {MIN_CHARACTERS} characters; write a random one, like \
                 openssl rand -base64 32 gives"
            ));
        }
        Ok(Self(Sha256::digest(text).into()))
    }

    /// Whether the request's `Authorization` bears the token: no cookie does, nor a query. How
    /// long that takes tells nothing of it.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Rejection> {
        let Some(given) = Credential::find(&[Source::Header], request, &[])? else {
            return Err(Reason::TokenMissing.because("no ADMIN_TOKEN in Authorization"));
        };
        let given: [u8; 32] = Sha256::digest(given.token()).into();
        let pairs = self.0.iter().zip(given);
        let difference = pairs.fold(0, |sum, (ours, theirs)| black_box(sum | (ours ^ theirs)));
        if difference == 0 {
            Ok(())
        } else {
            Err(Reason::TokenInvalid.because("it is not the ADMIN_TOKEN"))
        }
    }
}
