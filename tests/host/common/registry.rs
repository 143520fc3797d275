//! Live sockets as the registry knows them.

use portcullis::registry::{Arrival, SocketEntry};
use portcullis::request::address::{ClientAddress, Ipv6Prefix};
use portcullis::token::Identity;
use portcullis::util::time::Timestamp;

use super::{NOW, ms, object, seconds};

pub fn identity(claims: &str) -> Identity {
    let claims = object(claims);
    Identity {
        subject: claims
            .get("sub")
            .map(|sub| sub.as_str().expect("a text").to_owned()),
        scopes: Vec::new(),
        claims,
        expires: NOW + seconds(60),
    }
}

pub fn entry(ip: &str, identity: Option<&Identity>) -> SocketEntry {
    let arrival = Arrival {
        id: "0123",
        address: ClientAddress::parse(Some(ip)).key(Ipv6Prefix::default()),
        route: "/*",
        origin: Some("https://app.example.com"),
        realm: "realm",
        now: NOW,
    };
    SocketEntry::new(
        &arrival,
        identity.map(|identity| (identity, identity.expires)),
    )
}

pub const ALICE: &str =
    r#"{"iss":"https://id","sub":"alice","sid":"s1","jti":"t1","iat":1800000000}"#;

pub fn alice() -> SocketEntry {
    entry("192.0.2.7", Some(&identity(ALICE)))
}

pub fn after(milliseconds: u64) -> Timestamp {
    NOW + ms(milliseconds)
}
