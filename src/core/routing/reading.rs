//! How the servers behind the gate read paths: `PATH_CASE` and `PATH_TRAILING_SLASH`.

/// How servers compare paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathReading {
    pub case: PathCase,
    pub trailing_slash: TrailingSlash,
}

/// Whether `/Admin` is `/admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathCase {
    #[default]
    Sensitive,
    Insensitive,
}

/// Whether `/admin/` is `/admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingSlash {
    #[default]
    Distinct,
    Same,
}

impl PathCase {
    /// How texts are folded before they are compared. Servers that ignore case fold ASCII alone
    /// or all letters: where the two folds lead to different routes, no route matches.
    pub(super) fn folds(self) -> &'static [fn(&str) -> String] {
        match self {
            Self::Sensitive => &[str::to_owned],
            Self::Insensitive => &[str::to_ascii_lowercase, fold_all],
        }
    }
}

impl TrailingSlash {
    /// A path without its trailing slash, where that makes no difference.
    pub(super) fn trim(self, path: &str) -> &str {
        match self {
            Self::Distinct => path,
            Self::Same => path.strip_suffix('/').unwrap_or(path),
        }
    }
}

/// By upper case first, which folds variants of one letter together.
fn fold_all(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}
