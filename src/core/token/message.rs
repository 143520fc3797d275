//! A token in the first message of a socket.

use std::ops::Range;

use serde_json::Value;

use super::fault::CredentialFault;
use crate::util::sorting::sorted_by;
use crate::util::strict_json;

/// The text at a JSON Pointer (RFC 6901) of a message. `None` if there is nothing, or the message
/// is not JSON.
pub(super) fn text_at(message: &Value, pointer: &str) -> Result<Option<String>, CredentialFault> {
    match message.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(CredentialFault::Incomplete(
            "the token in the first message is not a string".into(),
        )),
    }
}

/// Reads a message, text or binary, as JSON in UTF-8 (RFC 8259 §8.1); `None` if it is not JSON. One
/// that looks like JSON and can't be read, or has a member twice, is an error: the server may read
/// it, and find a token there.
pub(super) fn read(message: &[u8]) -> Result<Option<Value>, CredentialFault> {
    match strict_json::value(message) {
        Ok(value) => Ok(Some(value)),
        Err(_) if looks_like_json(message) => Err(CredentialFault::Missing(
            "the first message can't be read as JSON in one way only",
        )),
        Err(_) => Ok(None),
    }
}

/// Whether a message begins as JSON does, also in UTF-16 or UTF-32, which some readers recognise by
/// their zero bytes.
fn looks_like_json(message: &[u8]) -> bool {
    String::from_utf8_lossy(message)
        .trim_start_matches(is_before_json)
        .starts_with(['{', '['])
}

/// White space, and the mark of byte order, which some readers skip, whatever its encoding.
fn is_before_json(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{feff}' | '\0' | char::REPLACEMENT_CHARACTER)
}

/// Returns the message without the members at these pointers; all other bytes stay the same. The
/// message must be JSON.
pub(super) fn without_members(message: &str, pointers: &[&str]) -> String {
    let mut rest = message.to_owned();
    // The last element of an array first, so that the others keep their places.
    let last_first = |one: &&str, other: &&str| (other.len(), *other).cmp(&(one.len(), *one));
    for pointer in sorted_by(pointers.to_vec(), last_first) {
        let segments: Vec<_> = pointer
            .split('/')
            .skip(1)
            .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
            .collect();
        let mut scanner = Scanner { text: &rest, at: 0 };
        if let Some(span) = scanner.find(&segments) {
            rest.replace_range(span, "");
        }
    }
    rest
}

/// Walks over JSON that was parsed before.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    /// The span of the member or array element at this path, including one of the commas around it.
    fn find(&mut self, path: &[String]) -> Option<Range<usize>> {
        let (name, deeper) = path.split_first()?;
        self.skip_space();
        let is_object = self.peek()? == b'{';
        let mut before = self.at + 1;
        self.at += 1;
        let mut index = 0;
        loop {
            self.skip_space();
            let start = self.at;
            let is_named = if is_object {
                let key = self.skip_string()?;
                let is_named = strict_json::value(key.as_bytes()).is_ok_and(|key| key == *name);
                self.skip_space();
                self.at += 1;
                is_named
            } else {
                index.to_string() == *name
            };
            if is_named && !deeper.is_empty() {
                return self.find(deeper);
            }
            self.skip_value()?;
            let end = self.at;
            self.skip_space();
            let has_next = self.peek()? == b',';
            if is_named {
                // Including the comma after it, or the one before it if it is the last.
                let is_first = index == 0;
                return Some(match (has_next, is_first) {
                    (true, _) => start..self.after_comma(),
                    (false, true) => start..end,
                    (false, false) => before..end,
                });
            }
            if !has_next {
                return None;
            }
            before = self.at;
            self.at += 1;
            index += 1;
        }
    }

    fn after_comma(&mut self) -> usize {
        self.at += 1;
        self.skip_space();
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips a string, and returns it with its quotes.
    fn skip_string(&mut self) -> Option<&str> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(start..self.at)
    }

    fn skip_value(&mut self) -> Option<()> {
        self.skip_space();
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.skip_string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                // The end of the object or array around the value, or of the value itself.
                b',' | b'}' | b']' if depth == 0 => return Some(()),
                _ => self.at += 1,
            }
            if depth == 0
                && matches!(
                    self.text.as_bytes().get(self.at - 1),
                    Some(b'"' | b'}' | b']')
                )
            {
                return Some(());
            }
        }
    }
}
