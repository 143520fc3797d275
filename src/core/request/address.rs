//! The client's address, and the key it is counted by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that the platform names as the client's (`CF-Connecting-IP`). An IPv4-mapped IPv6
/// address is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// Parses an address. Anything else is the unknown address.
    pub fn parse(value: Option<&str>) -> Self {
        let ip = value.and_then(|text| text.trim().parse::<IpAddr>().ok());
        Self(ip.map(|ip| ip.to_canonical()))
    }

    /// The whole address, for `X-Forwarded-For`.
    pub fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// Returns the key that the client is counted by.
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
    /// Accepts 32, the allocation of a provider, to 128.
    pub fn new(bits: u8) -> Option<Self> {
        (32..=128).contains(&bits).then_some(Self(bits))
    }

    fn network(self, ip: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - self.0)))
    }
}

/// The smallest network that a subscriber is assigned (RFC 6177).
impl Default for Ipv6Prefix {
    fn default() -> Self {
        Self(64)
    }
}

/// A client as it is counted and recorded: an IPv4 address, or the network of an IPv6 address.
/// All clients with an unknown address share one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(Option<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr, Ipv6Prefix),
}

impl AddressKey {
    /// Whether the platform named an address.
    pub fn is_known(self) -> bool {
        self.0.is_some()
    }
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
