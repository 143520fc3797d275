//! The path of a request, in the one form that servers read alike.
//!
//! Servers disagree on dot segments, encoded slashes, path parameters and doubled slashes. A path on
//! which they could disagree is refused. Every other path is judged and sent on byte for byte.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::percent::{self, EncodingFault};

/// A path that all servers read alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath {
    text: String,
    decoded: String,
}

/// Why servers could read a path as another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmbiguousPath {
    /// `.` or `..`, encoded or not.
    DotSegment,
    EmptySegment,
    /// `\`, encoded or not.
    Backslash,
    EncodedSlash,
    /// Decoding the path a second time would change it.
    EncodedTwice,
    /// A control character, encoded or not.
    ControlCharacter,
    /// A character that ends a path.
    NotAPath,
    /// `;`, where the path without path parameters leads elsewhere.
    PathParameters,
    /// `?` or `#`, encoded, where the path before it leads elsewhere.
    EncodedEnd,
    /// A character that Unicode calls compatible with a dot, a slash, a backslash or a percent sign,
    /// where servers that normalise text (NFKC) would read one.
    LookAlike,
    /// Letters beyond ASCII, where servers that ignore case may fold them or not.
    LetterCase,
    Encoding(EncodingFault),
    /// The host is malformed, so that the path could begin elsewhere.
    Host,
}

impl fmt::Display for AmbiguousPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path is ambiguous: ")?;
        f.write_str(match self {
            Self::DotSegment => "a dot segment",
            Self::EmptySegment => "an empty segment",
            Self::Backslash => "a backslash",
            Self::EncodedSlash => "an encoded slash",
            Self::EncodedTwice => "a character that is encoded twice",
            Self::ControlCharacter => "a control character",
            Self::NotAPath => "a space, ? or #",
            Self::PathParameters => "path parameters after a semicolon",
            Self::EncodedEnd => "an encoded ? or #",
            Self::LookAlike => "a character that looks like a dot or a slash",
            Self::LetterCase => "letters whose case servers fold differently",
            Self::Encoding(fault) => return fault.fmt(f),
            Self::Host => "the host is malformed",
        })
    }
}

/// Characters that the URL standard encodes in a path, in any of its versions.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Characters that end a path.
const ENDS: [char; 2] = ['?', '#'];

/// The root.
impl Default for CanonicalPath {
    fn default() -> Self {
        Self {
            text: "/".into(),
            decoded: "/".into(),
        }
    }
}

impl CanonicalPath {
    /// Parses a path as a client sent it. Characters that a URL can't hold are encoded as the URL
    /// standard does.
    pub fn parse(sent: &str) -> Result<Self, AmbiguousPath> {
        let text = utf8_percent_encode(sent, ESCAPED).to_string();
        let Some(segments) = sent.strip_prefix('/') else {
            return Err(AmbiguousPath::NotAPath);
        };
        let mut decoded = String::with_capacity(text.len());
        let mut segments = segments.split('/').peekable();
        while let Some(segment) = segments.next() {
            decoded.push('/');
            // Only the last segment may be empty: a trailing slash.
            if segment.is_empty() && segments.peek().is_some() {
                return Err(AmbiguousPath::EmptySegment);
            }
            decoded.push_str(&decode(segment)?);
        }
        Ok(Self { text, decoded })
    }

    /// The path as it is sent on.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path with its segments decoded, none of which has a slash.
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    /// The decoded path as a server reads it that knows path parameters (RFC 3986 §3.3) and drops
    /// them. `None` if it has none.
    pub fn without_parameters(&self) -> Option<String> {
        let has_parameters = self.decoded.contains(';');
        has_parameters.then(|| {
            let segments = self.decoded.split('/').map(without_parameters);
            segments.collect::<Vec<_>>().join("/")
        })
    }

    /// The decoded path as a server reads it that decodes first and then looks for the query.
    /// `None` if that is the whole.
    pub fn before_encoded_end(&self) -> Option<&str> {
        let (path, _) = self.decoded.split_once(ENDS)?;
        Some(path)
    }
}

/// Decodes a segment that is not a trailing slash's, and refuses what has a second reading.
fn decode(segment: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    if segment.contains(['?', '#', ' ']) {
        return Err(AmbiguousPath::NotAPath);
    }
    let decoded = percent::decode(segment).map_err(AmbiguousPath::Encoding)?;
    if decoded.contains('/') {
        return Err(AmbiguousPath::EncodedSlash);
    }
    if decoded.contains('\\') {
        return Err(AmbiguousPath::Backslash);
    }
    if decoded.contains(char::is_control) {
        return Err(AmbiguousPath::ControlCharacter);
    }
    if percent::has_escape(&decoded) {
        return Err(AmbiguousPath::EncodedTwice);
    }
    if !decoded.is_ascii() && has_path_syntax(&look_alike(&decoded)) {
        return Err(AmbiguousPath::LookAlike);
    }
    let name = without_parameters(&decoded);
    let before_end = name.split(ENDS).next().unwrap_or_default();
    if is_dots(before_end) {
        return Err(AmbiguousPath::DotSegment);
    }
    if name.is_empty() && !decoded.is_empty() {
        return Err(AmbiguousPath::EmptySegment);
    }
    Ok(decoded)
}

fn without_parameters(segment: &str) -> &str {
    segment
        .split_once(';')
        .map_or(segment, |(segment, _)| segment)
}

/// Windows drops spaces at the end of a name.
fn is_dots(name: &str) -> bool {
    matches!(name.trim(), "." | "..")
}

/// Whether a segment is none once its look-alikes are what they look like.
fn has_path_syntax(segment: &str) -> bool {
    segment.contains(['/', '\\'])
        || percent::has_escape(segment)
        || is_dots(without_parameters(segment))
}

/// The text with characters of path syntax in place of those that Unicode normalisation (NFKC) or
/// Windows' best fit turn into them, and without those that are invisible.
fn look_alike(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        plain.push_str(match character {
            '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => ".",
            '\u{2025}' => "..",
            '\u{2044}' | '\u{2215}' | '\u{ff0f}' => "/",
            '\u{2216}' | '\u{fe68}' | '\u{ff3c}' => "\\",
            '\u{fe6a}' | '\u{ff05}' => "%",
            '\u{fe54}' | '\u{ff1b}' => ";",
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => "",
            other => {
                plain.push(other);
                continue;
            }
        });
    }
    plain
}
