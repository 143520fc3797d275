//! Who is asking: the client's address, and the key it is counted by.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address a request came from, as the platform says (`CF-Connecting-IP`). IPv4-mapped IPv6
/// is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// What is no address is the unknown one.
    pub fn parse(value: Option<&str>) -> Self {
        let ip = value.and_then(|text| text.trim().parse::<IpAddr>().ok());
        Self(ip.map(|ip| ip.to_canonical()))
    }

    /// The whole address, for `X-Forwarded-For`.
    pub fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// What is counted as one client.
    pub fn key(self) -> AddressKey {
        AddressKey(self.0.map(|ip| match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & (u128::MAX << 64)).into(),
        }))
    }
}

/// What is counted and recorded as one client: an IPv4 address whole, an IPv6 address by its
/// /64, the least network that one subscriber gets (RFC 6177). Those whose address is unknown
/// share one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(Option<IpAddr>);

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("unknown"),
            Some(IpAddr::V4(ip)) => ip.fmt(f),
            Some(IpAddr::V6(network)) => write!(f, "{network}/64"),
        }
    }
}
