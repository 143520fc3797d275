//! A refusal as the log has it: the reason, its exact cause, and what was found on the way to it.

use std::borrow::Cow;

use super::reason::Reason;
use crate::util::time::Timestamp;

/// A refusal: the reason for the client, and everything else for the log.
#[derive(Debug, Clone)]
pub struct Rejection {
    pub reason: Reason,
    /// The exact cause. No client sees it.
    pub cause: Cow<'static, str>,
    evidence: Option<Box<Evidence>>,
}

/// What a refusal goes by, as far as it is known. No client sees it.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The setting that decided, where the reason alone does not tell.
    pub setting: Option<&'static str>,
    /// The values that the cause speaks of.
    pub detail: Option<String>,
    /// Whose quota, ban or revocation it is: `ip`, `user`, `route` or the name of a claim.
    pub party: Option<Cow<'static, str>>,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// The id of an administrator's ban or revocation.
    pub denial: Option<String>,
    /// The server that was asked.
    pub upstream: Option<String>,
}

/// Two refusals are the same if reason and cause are: evidence only explains them.
impl PartialEq for Rejection {
    fn eq(&self, other: &Self) -> bool {
        self.reason == other.reason && self.cause == other.cause
    }
}

impl Eq for Rejection {}

impl Reason {
    /// Adds the cause for the log.
    pub fn because(self, cause: impl Into<Cow<'static, str>>) -> Rejection {
        Rejection {
            reason: self,
            cause: cause.into(),
            evidence: None,
        }
    }
}

impl Rejection {
    /// Adds the setting that decided.
    #[must_use]
    pub fn by(self, setting: &'static str) -> Self {
        self.with(|evidence| evidence.setting = Some(setting))
    }

    /// Adds what was found.
    #[must_use]
    pub fn with(mut self, add: impl FnOnce(&mut Evidence)) -> Self {
        add(self.evidence.get_or_insert_default());
        self
    }

    /// What was found, where anything was.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_deref()
    }

    /// The setting that decided; `None` where no setting could have changed it.
    pub fn setting(&self) -> Option<&'static str> {
        let found = self.evidence.as_ref().and_then(|evidence| evidence.setting);
        found.or_else(|| self.reason.setting())
    }

    /// What an operator can do about it.
    pub fn remedy(&self) -> &'static str {
        let found = self.evidence.as_ref().and_then(|evidence| evidence.setting);
        let special = found.and_then(super::remedy::of_setting);
        special.unwrap_or_else(|| self.reason.remedy())
    }
}
