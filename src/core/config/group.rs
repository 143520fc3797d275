//! What was read of settings that make sense only together.

/// What a group of settings says.
pub(super) enum Group<T> {
    /// One of them is wrong, which the [`Reader`](super::reader::Reader) has as an error.
    Faulty,
    /// The feature is off.
    Absent,
    Present(T),
}

impl<T> Group<T> {
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Faulty | Self::Absent => None,
        }
    }

    /// What was read, or none if the feature is off.
    pub fn sound(self) -> Result<Option<T>, Faulty> {
        match self {
            Self::Faulty => Err(Faulty),
            Self::Absent => Ok(None),
            Self::Present(value) => Ok(Some(value)),
        }
    }
}

/// A group of settings that can't be used, since one of them is wrong.
pub(super) struct Faulty;
