//! Who is asking: the client's address, and the key it is counted by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    pub fn key(self, prefix: Ipv6Prefix) -> AddressKey {
        AddressKey(self.0.map(|ip| match ip {
            IpAddr::V4(ip) => Network::Ipv4(ip),
            IpAddr::V6(ip) => Network::Ipv6(prefix.network(ip), prefix),
        }))
    }
}

/// How many leading bits of an IPv6 address count: `IPV6_PREFIX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ipv6Prefix(u8);

impl Ipv6Prefix {
    /// 32, what a provider gets, to 128.
    pub fn new(bits: u8) -> Option<Self> {
        (32..=128).contains(&bits).then_some(Self(bits))
    }

    fn network(self, ip: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - self.0)))
    }
}

/// The least network that one subscriber gets (RFC 6177).
impl Default for Ipv6Prefix {
    fn default() -> Self {
        Self(64)
    }
}

/// What is counted and recorded as one client: an IPv4 address whole, an IPv6 address by its
/// network. Those whose address is unknown share one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(Option<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr, Ipv6Prefix),
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("unknown"),
            Some(Network::Ipv4(ip)) => ip.fmt(f),
            Some(Network::Ipv6(network, Ipv6Prefix(bits))) => write!(f, "{network}/{bits}"),
        }
    }
}
