//! Changes to tokens and JSON that keep most of their structure.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};

use super::{Chance, Harness, NOW, forge};
use crate::common::base64url;

const NAMES: [&str; 29] = [
    "alg",
    "kid",
    "typ",
    "crit",
    "jwk",
    "jku",
    "x5u",
    "x5c",
    "b64",
    "exp",
    "nbf",
    "iat",
    "iss",
    "sub",
    "aud",
    "scope",
    "scp",
    "permissions",
    "keys",
    "kty",
    "crv",
    "x",
    "y",
    "n",
    "e",
    "k",
    "d",
    "use",
    "key_ops",
];
const TEXTS: [&str; 30] = [
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "PS384",
    "ES256",
    "ES384",
    "EdDSA",
    "none",
    "hs256",
    "",
    "mac",
    "ed",
    "rsa",
    "ec",
    "JWT",
    "at+jwt",
    "sig",
    "enc",
    "verify",
    "oct",
    "OKP",
    "RSA",
    "EC",
    "P-256",
    "Ed25519",
    "AQAB",
    "AQ",
    "a b",
    "\u{1f980}\u{0}",
];
const JSON: [&str; 22] = [
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "-1e308",
    "1e999",
    "0.1",
    "18446744073709551616",
    "9007199254740993",
    "[]",
    "{}",
    "[null]",
    "[\"verify\"]",
    "[[[[]]]]",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "{\"a\":1,\"a\":2}",
    "1800000060",
    "1799999999",
    "\"1800000060\"",
    "1.8e9",
];

impl Chance {
    fn value(&mut self) -> Value {
        match self.below(4) {
            0 => Value::from(self.pick(&TEXTS)),
            1 => json!(NOW as f64 + self.below(200) as f64 - 100.0),
            2 => Value::from(self.next()),
            _ => serde_json::from_str(self.pick(&JSON)).unwrap_or(Value::Null),
        }
    }

    /// Changes one place somewhere in a JSON value.
    pub fn mutate_value(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) if !self.one_in(12) => self.mutate_members(members),
            Value::Array(elements) if !elements.is_empty() && !self.one_in(12) => {
                let at = self.below(elements.len());
                match self.below(6) {
                    0 => {
                        elements.remove(at);
                    }
                    1 => elements.push(elements[at].clone()),
                    2 => elements.insert(at, self.value()),
                    3 if self.one_in(20) => *elements = vec![elements[at].clone(); 129],
                    _ => self.mutate_value(&mut elements[at]),
                }
            }
            Value::String(text) if !self.one_in(3) => *text = self.mutate_text(text),
            other => *other = self.value(),
        }
    }

    fn mutate_members(&mut self, members: &mut Map<String, Value>) {
        let names: Vec<_> = members.keys().cloned().collect();
        if names.is_empty() || self.one_in(4) {
            let value = self.value();
            members.insert(self.pick(&NAMES).to_owned(), value);
            return;
        }
        let name = self.pick(&names);
        match self.below(5) {
            0 => {
                members.remove(&name);
            }
            1 => {
                let value = members.remove(&name).expect("it is there");
                members.insert(self.pick(&NAMES).to_owned(), value);
            }
            _ => self.mutate_value(members.get_mut(&name).expect("it is there")),
        }
    }

    /// Changes some characters of a text.
    pub fn mutate_text(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(3) {
            let at = self.below(chars.len() + 1);
            let new = self.pick(&[
                'A',
                'Q',
                'g',
                'w',
                '0',
                '_',
                '-',
                '+',
                '/',
                '=',
                '.',
                ' ',
                '\n',
                '\0',
                '"',
                '{',
                '}',
                '[',
                ',',
                ':',
                '\\',
                'é',
                '\u{1f980}',
            ]);
            match self.below(5) {
                0 => chars.insert(at, new),
                1 if at < chars.len() => chars[at] = new,
                2 if at < chars.len() => {
                    chars.remove(at);
                }
                3 => chars.truncate(at),
                _ => {
                    let more: Vec<_> = chars[at..].iter().take(8).copied().collect();
                    chars.splice(at..at, more);
                }
            }
        }
        chars.into_iter().collect()
    }
}

impl Harness {
    /// Another token: its JSON changed and signed anew by a trusted key, by a stranger or not at
    /// all, or its text changed.
    pub fn mutate_token(&mut self, chance: &mut Chance, token: &str) -> String {
        let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
        if segments.len() != 3 || chance.one_in(6) {
            return chance.mutate_text(token);
        }
        match chance.below(8) {
            0 => segments.swap(0, 1),
            1 => segments.remove(chance.below(3)).clear(),
            2 => segments.push(String::new()),
            3 => {
                let at = chance.below(3);
                segments[at] = spare_bits(chance, &segments[at]);
            }
            4 => {
                let at = chance.below(3);
                segments[at] = chance.mutate_text(&segments[at]);
            }
            5 => {
                let mut signature = Base64UrlUnpadded::decode_vec(&segments[2]).unwrap_or_default();
                let at = chance.below(signature.len());
                match signature.get_mut(at) {
                    Some(byte) => *byte ^= 1 << chance.below(8),
                    None => signature.push(0),
                }
                segments[2] = base64url(signature);
            }
            _ => return self.sign_anew(chance, &segments),
        }
        segments.join(".")
    }

    fn sign_anew(&mut self, chance: &mut Chance, segments: &[String]) -> String {
        let mut parts = [0, 1].map(|at| {
            let bytes = Base64UrlUnpadded::decode_vec(&segments[at]).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_else(|_| json!({ "alg": "HS256" }))
        });
        for _ in 0..chance.below(3) {
            let at = chance.below(2);
            chance.mutate_value(&mut parts[at]);
        }
        let alg = parts[0]["alg"].as_str().unwrap_or("HS256").to_owned();
        let mut texts = parts.map(|part| part.to_string());
        if chance.one_in(6) {
            let at = chance.below(2);
            texts[at] = chance.mutate_text(&texts[at]);
        }
        let message = format!("{}.{}", base64url(&texts[0]), base64url(&texts[1]));
        let signature = match chance.below(4) {
            0 => forge(chance, &message, &alg),
            _ => self.sign(&message, &alg).unwrap_or_default(),
        };
        format!("{message}.{}", base64url(signature))
    }
}

/// The same bytes in base64url that is not canonical, where its length allows.
fn spare_bits(chance: &mut Chance, segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let Some(last) = segment.chars().last().and_then(|last| ALPHABET.find(last)) else {
        return format!("{segment}=");
    };
    let other = last ^ (1 << chance.below(4));
    let kept = &segment[..segment.len() - 1];
    format!("{kept}{}", &ALPHABET[other..=other])
}
