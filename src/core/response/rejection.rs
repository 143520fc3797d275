//! A refusal with everything that the log says about it: the reason, its exact cause, and evidence.

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

/// The evidence for a refusal, as far as it is known. No client sees it.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The setting that decided, if the reason alone does not determine it.
    pub setting: Option<&'static str>,
    /// The values that the cause refers to.
    pub detail: Option<String>,
    /// The owner of the quota, ban or revocation: `ip`, `user`, `route` or the name of a claim.
    pub party: Option<Cow<'static, str>>,
    /// When the quota's wait, the ban or the revocation ends.
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

    /// Adds evidence.
    #[must_use]
    pub fn with(mut self, add: impl FnOnce(&mut Evidence)) -> Self {
        add(self.evidence.get_or_insert_default());
        self
    }

    /// The evidence, if there is any.
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
