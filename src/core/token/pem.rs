//! Public keys in PEM (RFC 7468): `PUBLIC KEY` and `CERTIFICATE`, both of which hold a
//! SubjectPublicKeyInfo (RFC 5280 §4.1). Each is turned into a JWK, so that one place checks keys.
//!
//! A certificate only carries its key: neither its signature nor its dates are checked. Whoever
//! names it, in the settings or at a URL of the settings, vouches for it.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Reader, SliceReader, Tagged};
use serde_json::{Map, Value, json};

use super::keys::Key;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// The curves' names in JWKs, and how long a coordinate is, in bytes.
const CURVES: [(ObjectIdentifier, &str, usize); 3] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
        "P-256",
        32,
    ),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "P-384", 48),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521", 66),
];

/// Whether a text is meant as PEM.
pub fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with(BEGIN)
}

/// The keys of one PEM block or several. The error never repeats a key.
pub fn keys(text: &str) -> Result<Vec<Key>, Vec<String>> {
    let mut keys = Vec::new();
    let mut problems = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (block, after) = match next_block(rest) {
            Ok(found) => found,
            Err(problem) => return Err(vec![format!("key {}: {problem}", keys.len())]),
        };
        match block.key() {
            Ok(key) => keys.push(key),
            Err(problem) => {
                problems.push(format!("key {}: {problem}", keys.len() + problems.len()));
            }
        }
        rest = after.trim_start();
    }
    if problems.is_empty() {
        Ok(keys)
    } else {
        Err(problems)
    }
}

/// The one key of a text with one PEM block.
pub fn key(text: &str) -> Result<Key, String> {
    let (block, rest) = next_block(text.trim())?;
    if rest.trim().is_empty() {
        block.key()
    } else {
        Err("there is more than one PEM block".into())
    }
}

struct Block<'a> {
    label: &'a str,
    content: Vec<u8>,
}

/// The first block of a text, and what follows it.
fn next_block(text: &str) -> Result<(Block<'_>, &str), String> {
    let malformed = || {
        "it is not PEM; write blocks from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----"
            .to_owned()
    };
    let text = text.strip_prefix(BEGIN).ok_or_else(malformed)?;
    let (label, text) = text.split_once(DASHES).ok_or_else(malformed)?;
    let (encoded, text) = text.split_once(END).ok_or_else(malformed)?;
    let rest = text
        .strip_prefix(label)
        .and_then(|text| text.strip_prefix(DASHES))
        .ok_or_else(malformed)?;
    let encoded: String = encoded.split_ascii_whitespace().collect();
    let content = Base64::decode_vec(&encoded)
        .map_err(|_| format!("the {label} is not standard base64 with padding"))?;
    Ok((Block { label, content }, rest))
}

impl Block<'_> {
    fn key(&self) -> Result<Key, String> {
        let malformed = |_| format!("the {} is malformed", self.label);
        let info = match self.label {
            "PUBLIC KEY" => AnyRef::from_der(&self.content).map_err(malformed)?,
            "CERTIFICATE" => certified_key(&self.content).map_err(malformed)?,
            label if label.ends_with("PRIVATE KEY") => {
                return Err(
                    "it is a private key; give its public part, and replace the key: this one \
                     was in a variable"
                        .into(),
                );
            }
            _ => {
                return Err(format!(
                    "a {} is not read; write a PUBLIC KEY or a CERTIFICATE",
                    self.label
                ));
            }
        };
        let info = PublicKey::read(info).map_err(malformed)?;
        Key::from_jwk(&info.jwk()?)
    }
}

/// The SubjectPublicKeyInfo of a certificate (RFC 5280 §4.1).
fn certified_key(certificate: &[u8]) -> der::Result<AnyRef<'_>> {
    AnyRef::from_der(certificate)?.sequence(|certificate| {
        let to_be_signed: AnyRef<'_> = certificate.decode()?;
        skip_rest(certificate)?;
        to_be_signed.sequence(|fields| {
            let first: AnyRef<'_> = fields.decode()?;
            // The version is optional. Then come serial number, signature algorithm, issuer,
            // validity and subject.
            let skipped = if first.tag().is_context_specific() {
                5
            } else {
                4
            };
            for _ in 0..skipped {
                AnyRef::decode(fields)?;
            }
            let info = fields.decode()?;
            skip_rest(fields)?;
            Ok(info)
        })
    })
}

fn skip_rest(reader: &mut SliceReader<'_>) -> der::Result<()> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}

/// A SubjectPublicKeyInfo.
struct PublicKey<'a> {
    algorithm: ObjectIdentifier,
    /// The curve of an EC key.
    curve: Option<ObjectIdentifier>,
    bits: &'a [u8],
}

impl<'a> PublicKey<'a> {
    fn read(info: AnyRef<'a>) -> der::Result<Self> {
        info.sequence(|fields| {
            let algorithm: AnyRef<'_> = fields.decode()?;
            let (algorithm, curve) = algorithm.sequence(|identifier| {
                let algorithm = identifier.decode()?;
                let curve = if algorithm == EC {
                    Some(identifier.decode()?)
                } else {
                    None
                };
                skip_rest(identifier)?;
                Ok::<_, der::Error>((algorithm, curve))
            })?;
            let bits: BitStringRef<'a> = fields.decode()?;
            Ok(Self {
                algorithm,
                curve,
                bits: bits.as_bytes().ok_or(der::ErrorKind::Failed)?,
            })
        })
    }

    fn jwk(&self) -> Result<Map<String, Value>, String> {
        let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        let jwk = match self.algorithm {
            RSA => {
                let (n, e) = rsa_numbers(self.bits).map_err(|_| "the RSA key is malformed")?;
                json!({ "kty": "RSA", "n": text(n), "e": text(e) })
            }
            EC => {
                let known = CURVES.iter().find(|(id, ..)| Some(*id) == self.curve);
                let (_, curve, length) = known.ok_or("the curve is not P-256, P-384 or P-521")?;
                let point = self.bits.strip_prefix(&[4]);
                let (x, y) = point
                    .filter(|point| point.len() == 2 * length)
                    .map(|point| point.split_at(*length))
                    .ok_or("the point is not two whole coordinates")?;
                json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
            }
            ED25519 => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(self.bits) }),
            RSA_PSS => {
                return Err(
                    "it is for RSASSA-PSS alone; give an RSA key, which is for PS256 as well"
                        .into(),
                );
            }
            other => {
                return Err(format!("its algorithm {other} is not RSA, EC or Ed25519"));
            }
        };
        match jwk {
            Value::Object(members) => Ok(members),
            _ => unreachable!("each arm writes an object"),
        }
    }
}

/// Modulus and exponent of an RSAPublicKey (RFC 8017 §A.1.1).
fn rsa_numbers(bits: &[u8]) -> der::Result<(&[u8], &[u8])> {
    AnyRef::from_der(bits)?.sequence(|numbers| {
        let n: UintRef<'_> = numbers.decode()?;
        let e: UintRef<'_> = numbers.decode()?;
        Ok((n.as_bytes(), e.as_bytes()))
    })
}
