//! The grammar of HTTP field values (RFC 9110 §5.6), as far as a handshake needs it.

/// Whether `text` is a `token` (RFC 9110 §5.6.2).
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `text` is a valid field value: visible ASCII, spaces and tabs.
pub fn is_field_value(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}

/// The elements of a comma-separated list without the optional white space around them. Empty
/// elements are ignored (RFC 9110 §5.6.1.2).
pub fn elements(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// `text` without the white space that RFC 9110 §5.6.3 allows around it.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The extension names of a `Sec-WebSocket-Extensions` value (RFC 6455 §9.1), one or more. `None` if
/// it is malformed.
pub fn extension_names(value: &str) -> Option<Vec<&str>> {
    let names: Option<Vec<_>> = split_unquoted(value, b',')?
        .into_iter()
        .filter(|extension| !trim(extension).is_empty())
        .map(|extension| {
            let mut parts = split_unquoted(extension, b';')?.into_iter().map(trim);
            let name = parts.next().filter(|name| is_token(name))?;
            parts.all(is_parameter).then_some(name)
        })
        .collect();
    names.filter(|names| !names.is_empty())
}

/// A list without its empty elements, in which commas between quotes part nothing. `None` if it
/// has no empty element, or an open quote.
pub fn without_empty_elements(value: &str) -> Option<String> {
    let elements = split_unquoted(value, b',')?;
    let is_filled = |element: &&&str| !trim(element).is_empty();
    let filled: Vec<_> = elements
        .iter()
        .filter(is_filled)
        .map(|one| trim(one))
        .collect();
    (filled.len() < elements.len()).then(|| filled.join(", "))
}

fn is_parameter(parameter: &str) -> bool {
    match parameter.split_once('=') {
        None => is_token(parameter),
        Some((name, value)) => is_token(trim(name)) && is_token(unquoted(trim(value))),
    }
}

/// The content of a quoted string, which must itself be a token (RFC 6455 §9.1). Returns any other
/// text unchanged.
fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

fn split_unquoted(value: &str, separator: u8) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in value.bytes().enumerate() {
        if byte == b'"' {
            quoted = !quoted;
        } else if byte == separator && !quoted {
            parts.push(&value[start..at]);
            start = at + 1;
        }
    }
    parts.push(&value[start..]);
    (!quoted).then_some(parts)
}
