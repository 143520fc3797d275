//! What refusals and closes tell clients to do.

/// What a client should do after a refusal or a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAction {
    /// Try again, with a back-off and random delays.
    Retry,
    /// Try again after the time in `Retry-After`, or as [`ClientAction::Retry`] without one.
    Wait,
    /// Try again with another token.
    Authenticate,
    /// Give up: another attempt would end the same way.
    Stop,
}

impl ClientAction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Authenticate => "authenticate",
            Self::Stop => "stop",
        }
    }
}
