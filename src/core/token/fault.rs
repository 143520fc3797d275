//! Why step 7 does not accept a request's credential. What the client is told is decided in
//! `response::faults`.

use std::borrow::Cow;

/// Why a token or a session is not accepted. The causes are for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// It has expired, and everything else about it is right. `by`: the setting that says so.
    Expired {
        cause: &'static str,
        by: Option<&'static str>,
    },
    /// It has more bytes than `TOKEN_MAX_BYTES`.
    TooLong(String),
    /// It is malformed, or no trusted key signed it.
    Invalid(Cow<'static, str>),
    /// A trusted key signed it, but a claim rules it out here or now. Also a session that its
    /// provider does not know: it may have ended.
    Unusable(Cow<'static, str>),
    /// A trusted key signed it, but this setting rules out one of its claims or its type.
    RuledOut {
        cause: &'static str,
        by: &'static str,
    },
    /// Its provider could not be asked, so nobody knows whether it is valid.
    ProviderUnavailable(String),
}

impl TokenFault {
    pub(super) fn invalid(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(cause.into())
    }

    pub(super) fn unusable(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::Unusable(cause.into())
    }

    /// Whether only its time or its audience is wrong: a trusted key signed it, and its issuer may
    /// issue tokens.
    pub(super) fn is_of_time_or_audience(&self) -> bool {
        match self {
            Self::Expired { .. } => true,
            Self::RuledOut { by, .. } => matches!(*by, "JWT_LEEWAY" | "JWT_AUDIENCE"),
            Self::TooLong(_)
            | Self::Invalid(_)
            | Self::Unusable(_)
            | Self::ProviderUnavailable(_) => false,
        }
    }
}

/// Why no credential can be read from a request. The causes are for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialFault {
    /// A token is required, and no source has one.
    Missing(&'static str),
    /// Two sources have different tokens.
    Ambiguous(String),
    /// A source announces a token that is not there.
    Incomplete(Cow<'static, str>),
    /// A header that a token was looked for in was sent twice.
    RepeatedHeader(&'static str),
}

/// Why step 7 refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthenticationFault {
    Credential(CredentialFault),
    Token(TokenFault),
}

impl From<CredentialFault> for AuthenticationFault {
    fn from(fault: CredentialFault) -> Self {
        Self::Credential(fault)
    }
}

impl From<TokenFault> for AuthenticationFault {
    fn from(fault: TokenFault) -> Self {
        Self::Token(fault)
    }
}
