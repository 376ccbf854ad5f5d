//! TCP, UDP and name look-ups: who a component may talk to.
//!
//! A grant names the far end by address, address block or name. A name grants exactly what it resolves to
//! while the guest runs; looking that name up is granted with it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::ParseError;

/// What a component may do with sockets. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkGrant {
    /// Far ends that TCP connections may be opened to.
    pub tcp_connect: Vec<Peer>,
    /// Local addresses on which TCP connections may be accepted.
    pub tcp_listen: Vec<Peer>,
    /// Far ends that datagrams may be sent to and received from.
    pub udp_connect: Vec<Peer>,
    /// Local addresses on which datagrams may be received.
    pub udp_listen: Vec<Peer>,
    /// Names that may be looked up, besides those that the lists above name.
    pub names: Vec<HostPattern>,
}

impl NetworkGrant {
    /// Everything: any far end, any local address, any name.
    pub fn unrestricted() -> Self {
        let any = || {
            vec![Peer {
                host: HostPattern::Any,
                port: PortPattern::Any,
            }]
        };
        Self {
            tcp_connect: any(),
            tcp_listen: any(),
            udp_connect: any(),
            udp_listen: any(),
            names: vec![HostPattern::Any],
        }
    }

    /// Whether `name` may be looked up: it is granted itself, or is the name of a granted far end.
    pub fn allows_lookup(&self, name: &str) -> bool {
        let peers = self
            .tcp_connect
            .iter()
            .chain(&self.udp_connect)
            .map(|peer| &peer.host);
        self.names.iter().chain(peers).any(|host| host.matches_name(name))
    }
}

/// A far end, or a local address: who, and which port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The host.
    pub host: HostPattern,
    /// The port.
    pub port: PortPattern,
}

/// Which hosts a grant means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host, written `*`.
    Any,
    /// The addresses in this block; a single address is a block of one.
    Block(AddressBlock),
    /// The host of this name, in lower case.
    Name(String),
    /// Every host whose name ends in this suffix (`.example.com`), written `*.example.com`.
    Subdomains(String),
}

/// Which ports a grant means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPattern {
    /// Every port.
    Any,
    /// The ports from the first to the last, both included.
    Range(u16, u16),
}

/// A block of addresses, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressBlock {
    network: IpAddr,
    prefix_bits: u8,
}

impl AddressBlock {
    /// The block that holds just this address. An IPv4 address written as IPv6 is taken as IPv4.
    pub fn single(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let prefix_bits = if address.is_ipv4() { 32 } else { 128 };
        Self {
            network: address,
            prefix_bits,
        }
    }

    /// Whether the address lies in the block. An IPv4 address written as IPv6 (`::ffff:a.b.c.d`) counts as
    /// the IPv4 address it stands for, so that no spelling slips past a block.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same_prefix(
                u128::from(network.to_bits()),
                u128::from(address.to_bits()),
                32,
                self.prefix_bits,
            ),
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), 128, self.prefix_bits)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, width: u8, prefix_bits: u8) -> bool {
    let host_bits = u32::from(width.saturating_sub(prefix_bits));
    a.checked_shr(host_bits).unwrap_or(0) == b.checked_shr(host_bits).unwrap_or(0)
}

impl FromStr for AddressBlock {
    type Err = ParseError;

    /// Reads an address or `ADDRESS/BITS`. Bits below the prefix must be zero: `10.1.2.3/8` is refused,
    /// since nobody can tell which of its two halves was meant.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(text, "an address or an address block such as `10.0.0.0/8`");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| error())?)),
            None => (text, None),
        };
        let address: IpAddr = strip_brackets(address).parse().map_err(|_| error())?;
        let single = Self::single(address);
        let Some(bits) = bits else {
            return Ok(single);
        };
        // Of `::ffff:10.0.0.0/104` the first 96 bits only say that IPv4 is meant.
        let bits_to_spare = if address.is_ipv6() && single.network.is_ipv4() {
            96
        } else {
            0
        };
        let prefix_bits = bits.checked_sub(bits_to_spare).ok_or_else(error)?;
        let (value, width) = match single.network {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32u32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let below = u128::MAX
            .checked_shr(128 - width + u32::from(prefix_bits))
            .unwrap_or(0);
        if prefix_bits > single.prefix_bits || value & below != 0 {
            return Err(error());
        }
        Ok(Self {
            prefix_bits,
            ..single
        })
    }
}

impl HostPattern {
    /// Whether the pattern means this address by itself, without asking any name server.
    pub fn matches_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Block(block) => block.contains(address),
            Self::Name(_) | Self::Subdomains(_) => false,
        }
    }

    /// Whether the pattern means this name. Names compare without case and without a trailing dot.
    pub fn matches_name(&self, name: &str) -> bool {
        let name = canonical_name(name);
        match self {
            Self::Any => true,
            Self::Block(block) => strip_brackets(&name)
                .parse()
                .is_ok_and(|address| block.contains(address)),
            Self::Name(granted) => *granted == name,
            Self::Subdomains(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
        }
    }
}

fn canonical_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn strip_brackets(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text)
}

impl FromStr for HostPattern {
    type Err = ParseError;

    /// Reads `*`, an address, an address block, a name, or `*.NAME`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(block) = text.parse() {
            return Ok(Self::Block(block));
        }
        let error = || {
            ParseError::new(
                text,
                "a host: a name, an address, an address block, `*.NAME` or `*`",
            )
        };
        let (subdomains, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let name = canonical_name(name);
        let label_is_fine = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        // All-digit last labels are misspelt addresses (`10.0.0.300`), never names.
        let numeric_end = name
            .rsplit('.')
            .next()
            .is_some_and(|end| end.bytes().all(|b| b.is_ascii_digit()));
        if name.is_empty() || name.len() > 253 || numeric_end || !name.split('.').all(label_is_fine) {
            return Err(error());
        }
        Ok(if subdomains {
            Self::Subdomains(format!(".{name}"))
        } else {
            Self::Name(name)
        })
    }
}

impl PortPattern {
    /// Whether the pattern means this port.
    pub fn matches(self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Range(first, last) => (first..=last).contains(&port),
        }
    }
}

impl FromStr for PortPattern {
    type Err = ParseError;

    /// Reads `*`, a port, or a range `FIRST-LAST`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(text, "a port: a number up to 65535, a range `FIRST-LAST` or `*`");
        if text == "*" {
            return Ok(Self::Any);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let first: u16 = first.parse().map_err(|_| error())?;
        let last: u16 = last.parse().map_err(|_| error())?;
        if first <= last {
            Ok(Self::Range(first, last))
        } else {
            Err(error())
        }
    }
}

impl FromStr for Peer {
    type Err = ParseError;

    /// Reads `HOST[:PORT]`; without a port every port is meant. An IPv6 address with a port is written in
    /// brackets: `[::1]:80`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if let Ok(block) = text.parse::<AddressBlock>() {
            return Ok(Self {
                host: HostPattern::Block(block),
                port: PortPattern::Any,
            });
        }
        match text.rsplit_once(':') {
            Some((host, port)) => Ok(Self {
                host: host.parse()?,
                port: port.parse()?,
            }),
            None => Ok(Self {
                host: text.parse()?,
                port: PortPattern::Any,
            }),
        }
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::single(self.network) {
            return self.network.fmt(f);
        }
        write!(f, "{}/{}", self.network, self.prefix_bits)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Block(block) => block.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Subdomains(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Block(block) if block.network.is_ipv6() => {
                write!(f, "[{}]", block.network)?;
                if *block != AddressBlock::single(block.network) {
                    write!(f, "/{}", block.prefix_bits)?;
                }
            }
            host => host.fmt(f)?,
        }
        match self.port {
            PortPattern::Any => f.write_str(":*"),
            PortPattern::Range(first, last) if first == last => write!(f, ":{first}"),
            PortPattern::Range(first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

/// Whether an address belongs to this machine or to a private, local or otherwise special network: what a
/// public name must not lead to unless the grant says so.
///
/// Follows the IANA special-purpose registries (RFC 6890 and its successors), including the IPv6 forms that
/// carry an IPv4 address inside (mapped, NAT64, 6to4).
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [first, second, ..] = segments;
    let embedded =
        |high: u16, low: u16| is_private_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        // NAT64 (64:ff9b::/96), 6to4 (2002::/16) and the deprecated compatible form carry an IPv4 address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        _ => {
            address.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
                || (first & 0xffc0) == 0xfec0
                || (first == 0x64 && second == 0xff9b)
                || (first == 0x100 && segments.get(1..4) == Some(&[0, 0, 0]))
                || (first == 0x2001 && second < 0x200)
                || (first == 0x2001 && second == 0xdb8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "*:*",
            "example.com:443",
            "*.example.com:*",
            "10.0.0.0/8:1-1024",
            "192.0.2.1:80",
            "[::1]:80",
            "[2001:db8::]/32:80",
            "[fe80::]/10:*",
        ] {
            assert_eq!(peer(text).to_string(), text);
        }
        assert_eq!(peer("::1").to_string(), "[::1]:*");
        assert_eq!(peer("EXAMPLE.com.").to_string(), "example.com:*");
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_refused() {
        for text in [
            "",
            ":80",
            "10.1.2.3/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.300",
            "a b",
            "host:",
            "host:70000",
            "host:9-8",
        ] {
            assert!(text.parse::<Peer>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_block_holds_its_addresses_in_every_spelling() {
        let block: AddressBlock = "10.0.0.0/8".parse().unwrap();
        for (address, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.0", false),
            ("::ffff:10.0.0.1", true),
            ("::10.0.0.1", false),
        ] {
            assert_eq!(block.contains(address.parse().unwrap()), inside, "{address}");
        }
        let everything: AddressBlock = "0.0.0.0/0".parse().unwrap();
        assert!(
            everything.contains("255.255.255.255".parse().unwrap())
                && !everything.contains("::1".parse().unwrap())
        );
    }

    #[test]
    fn a_block_of_ipv4_written_as_ipv6_holds_its_addresses() {
        let block: AddressBlock = "::ffff:10.0.0.0/104".parse().unwrap();
        assert_eq!(Ok(block), "10.0.0.0/8".parse());
        assert!(
            block.contains("10.255.0.1".parse().unwrap()) && !block.contains("11.0.0.0".parse().unwrap())
        );
        assert_eq!(
            "::ffff:10.0.0.1".parse::<AddressBlock>().unwrap().to_string(),
            "10.0.0.1"
        );
        assert!("::ffff:10.0.0.0/95".parse::<AddressBlock>().is_err());
    }

    #[test]
    fn names_match_without_case_and_never_by_accident() {
        let subdomains: HostPattern = "*.example.com".parse().unwrap();
        assert!(subdomains.matches_name("API.example.com.") && subdomains.matches_name("a.b.example.com"));
        assert!(!subdomains.matches_name("example.com") && !subdomains.matches_name("notexample.com"));
        assert!(!subdomains.matches_name("example.com.evil.net"));
    }

    #[test]
    fn special_addresses_are_private_however_they_are_written() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::7f00:1",
        ] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "1.1.1.1",
            "2606:4700::1111",
            "172.32.0.1",
            "100.128.0.1",
            "64:ff9b::808:808",
        ] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_name_may_be_looked_up_when_a_far_end_names_it() {
        let grant = NetworkGrant {
            tcp_connect: vec![peer("api.example.com:443")],
            ..NetworkGrant::default()
        };
        assert!(grant.allows_lookup("api.example.com") && !grant.allows_lookup("example.com"));
        assert!(!NetworkGrant::default().allows_lookup("localhost"));
    }
}
