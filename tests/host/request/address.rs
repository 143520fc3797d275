//! Who is counted as one client.

use portcullis::request::address::{ClientAddress, Ipv6Prefix};

use crate::common::assert_rows;

fn read(value: Option<&str>) -> (Option<String>, String) {
    let address = ClientAddress::parse(value);
    (
        address.ip().map(|ip| ip.to_string()),
        address.key(Ipv6Prefix::default()).to_string(),
    )
}

#[test]
fn an_ipv4_address_counts_whole_and_an_ipv6_address_by_its_64() {
    let known = |ip: &str, key: &str| (Some(ip.to_owned()), key.to_owned());
    let rows = [
        ("IPv4", "192.0.2.7", known("192.0.2.7", "192.0.2.7")),
        (
            "white space",
            " 192.0.2.7 ",
            known("192.0.2.7", "192.0.2.7"),
        ),
        (
            "IPv6",
            "2001:db8:1:2:3:4:5:6",
            known("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ),
        (
            "IPv6, same /64",
            "2001:db8:1:2::1",
            known("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ),
        (
            "IPv6, other /64",
            "2001:db8:1:3::1",
            known("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ),
        (
            "IPv6, last bit of the /64",
            "2001:db8:0:1::",
            known("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ),
        (
            "IPv6, upper case",
            "2001:DB8::A",
            known("2001:db8::a", "2001:db8::/64"),
        ),
        (
            "IPv6, written out",
            "2001:0db8:0000:0000:0000:0000:0000:000a",
            known("2001:db8::a", "2001:db8::/64"),
        ),
        (
            "IPv6, host bits all set",
            "fe80::ffff:ffff:ffff:ffff",
            known("fe80::ffff:ffff:ffff:ffff", "fe80::/64"),
        ),
        ("loopback", "::1", known("::1", "::/64")),
        (
            "mapped",
            "::ffff:192.0.2.7",
            known("192.0.2.7", "192.0.2.7"),
        ),
        (
            "mapped in hex",
            "::ffff:c000:207",
            known("192.0.2.7", "192.0.2.7"),
        ),
        (
            "compatible is IPv6",
            "::192.0.2.7",
            known("::c000:207", "::/64"),
        ),
    ];
    assert_rows(rows.map(|(name, value, expected)| (name, read(Some(value)), expected)));
}

#[test]
fn those_without_an_address_share_one_count() {
    let values = [
        "",
        " ",
        "unknown",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.07",
        "0x7f.0.0.1",
        "192.0.2.7:80",
        "192.0.2.7/32",
        "192.0.2.7, 192.0.2.8",
        "[::1]",
        "fe80::1%eth0",
        "2001:db8::/64",
        ":::",
        "1::2::3",
        "12345::",
        "example.com",
    ];
    let unknown = || (None, "unknown".to_owned());
    assert_rows(values.map(|value| (value, read(Some(value)), unknown())));
    assert_eq!(read(None), unknown());
    assert_eq!(
        ClientAddress::parse(None).key(Ipv6Prefix::default()),
        ClientAddress::parse(Some("x")).key(Ipv6Prefix::default())
    );
}

#[test]
fn an_ipv6_address_counts_by_the_prefix_that_is_set() {
    let key = |bits, address| {
        let prefix = Ipv6Prefix::new(bits).expect("a prefix");
        ClientAddress::parse(Some(address)).key(prefix).to_string()
    };
    let ipv6 = "2001:db8:1:23ff:ffff:ffff:ffff:ffff";
    assert_rows([
        ("32", key(32, ipv6), "2001:db8::/32".to_owned()),
        ("48", key(48, ipv6), "2001:db8:1::/48".into()),
        ("56", key(56, ipv6), "2001:db8:1:2300::/56".into()),
        ("63", key(63, ipv6), "2001:db8:1:23fe::/63".into()),
        ("128", key(128, ipv6), format!("{ipv6}/128")),
        ("IPv4", key(32, "192.0.2.7"), "192.0.2.7".into()),
        ("mapped", key(32, "::ffff:192.0.2.7"), "192.0.2.7".into()),
    ]);
    assert_rows([31, 129, 0].map(|bits| (bits, Ipv6Prefix::new(bits), None)));
    assert_eq!(
        Ipv6Prefix::default(),
        Ipv6Prefix::new(64).expect("a prefix")
    );
}
