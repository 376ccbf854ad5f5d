//! The words of grants and limits, as they stand in flags and manifests.

use std::fmt::{Debug, Display};
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use weft_app::grant::{
    Access, AddressBlock, ClockGrant, DirectoryGrant, HostPattern, Origin, Peer, PortPattern, RandomGrant,
    Scheme, StdioGrant, is_private,
};
use weft_app::quantity::{parse_bytes, parse_duration, show_bytes, show_duration};

/// Reads a text as every kind of grant, as a size and as a time.
///
/// # Panics
/// Where a grant does not mean what it says, shows as another one, or a size or time shows as another.
pub fn grant(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(block) = read::<AddressBlock>(text) {
        check_block(block);
    }
    if let Some(host) = read::<HostPattern>(text) {
        check_host(&host);
        assert_eq!(
            text.to_ascii_uppercase().parse().as_ref(),
            Ok(&host),
            "case matters"
        );
    }
    if let Some(port) = read::<PortPattern>(text) {
        assert!(port.matches(some_port(port)));
    }
    if let Some(peer) = read::<Peer>(text) {
        shows_as_itself(&peer);
        check_host(&peer.host);
    }
    if let Some(origin) = read::<Origin>(text) {
        check_origin(&origin);
    }
    if let Some(directory) = read::<DirectoryGrant>(text) {
        check_directory(text, &directory);
    }
    check_words(text);
    check_size(text);
    check_time(text);
}

/// Reads a text; an error names what was written, or the part of it that does not read.
fn read<T: FromStr<Err: Display>>(text: &str) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let message = error.to_string();
            let named = message
                .strip_prefix('`')
                .and_then(|rest| rest.rsplit_once("` is not "));
            assert!(
                named.is_some_and(|(named, _)| text.contains(named)),
                "`{message}` is not about `{text}`"
            );
            None
        }
    }
}

fn shows_as_itself<T: FromStr<Err: Debug + PartialEq> + Display + Debug + PartialEq>(value: &T) {
    let shown = value.to_string();
    assert_eq!(shown.parse::<T>().as_ref(), Ok(value), "shown as `{shown}`");
}

fn check_block(block: AddressBlock) {
    shows_as_itself(&block);
    let (first, last) = ends(block);
    assert!(block.contains(first), "{block} lacks its first address");
    // IPv4 written as IPv6 is IPv4, and in no block of IPv6.
    let is_same_kind = first.is_ipv4() == last.to_canonical().is_ipv4();
    assert_eq!(
        block.contains(last),
        is_same_kind,
        "{block} and its last address {last}"
    );
    for neighbour in [next(last, 1), next(first, u128::MAX)].into_iter().flatten() {
        assert!(!block.contains(neighbour), "{block} holds {neighbour}");
    }
    for address in [first, last] {
        let IpAddr::V4(v4) = address else { continue };
        let mapped = IpAddr::V6(v4.to_ipv6_mapped());
        assert!(block.contains(mapped), "{block} lacks {mapped}");
        assert_eq!(is_private(address), is_private(mapped), "{address}");
    }
}

/// The first and the last address, as the text of the block says.
fn ends(block: AddressBlock) -> (IpAddr, IpAddr) {
    let shown = block.to_string();
    let (address, bits) = shown.split_once('/').unwrap_or((&shown, "128"));
    let first: IpAddr = address
        .parse()
        .unwrap_or_else(|_| panic!("`{address}` is no address"));
    let bits: u32 = bits.parse().unwrap_or_else(|_| panic!("`{bits}` is no number"));
    let last = match first {
        IpAddr::V4(v4) => {
            IpAddr::from((v4.to_bits() | u32::MAX.checked_shr(bits).unwrap_or(0)).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            IpAddr::from((v6.to_bits() | u128::MAX.checked_shr(bits).unwrap_or(0)).to_be_bytes())
        }
    };
    (first, last)
}

/// The address so many further on, if there is one of the same kind.
fn next(address: IpAddr, distance: u128) -> Option<IpAddr> {
    let is_forward = distance == 1;
    match address {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits();
            let bits = if is_forward {
                bits.checked_add(1)
            } else {
                bits.checked_sub(1)
            };
            bits.map(|bits| IpAddr::from(bits.to_be_bytes()))
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let bits = if is_forward {
                bits.checked_add(1)
            } else {
                bits.checked_sub(1)
            };
            // A mapped address stands for one of the other kind.
            bits.map(|bits| IpAddr::from(bits.to_be_bytes()))
        }
    }
}

fn check_host(host: &HostPattern) {
    shows_as_itself(host);
    let name = some_host(host);
    assert!(host.matches_name(&name), "{host} does not match {name}");
    assert!(
        host.matches_name(&name.to_ascii_uppercase()),
        "{host}: case matters"
    );
    match host {
        HostPattern::Any => {}
        HostPattern::Block(block) => {
            check_block(*block);
            assert!(host.matches_address(ends(*block).0));
        }
        HostPattern::Name(name) | HostPattern::Subdomains(name) => {
            let foreign = [format!("{name}.example.net"), format!("x{name}x"), String::new()];
            for other in &foreign {
                assert!(!host.matches_name(other), "{host} matches {other}");
            }
            assert!(!host.matches_address(IpAddr::from([127, 0, 0, 1])));
        }
    }
}

/// A name or an address that the pattern means.
fn some_host(host: &HostPattern) -> String {
    match host {
        HostPattern::Any => "anything.example".to_owned(),
        HostPattern::Block(block) => ends(*block).0.to_string(),
        HostPattern::Name(name) => name.clone(),
        HostPattern::Subdomains(suffix) => format!("sub{suffix}"),
    }
}

fn some_port(port: PortPattern) -> u16 {
    match port {
        PortPattern::Any => 443,
        PortPattern::Range(first, last) => {
            assert!(first <= last);
            last
        }
    }
}

fn check_origin(origin: &Origin) {
    check_host(&origin.host);
    let host = some_host(&origin.host);
    for scheme in [Scheme::Http, Scheme::Https] {
        let port = origin.port.map_or(scheme.default_port(), some_port);
        let is_meant = origin.scheme.is_none_or(|granted| granted == scheme);
        assert_eq!(
            origin.matches(scheme, &host, port),
            is_meant,
            "{origin:?} and {scheme}://{host}:{port}"
        );
        if origin.port.is_none() {
            assert!(
                !origin.matches(scheme, &host, port + 1),
                "{origin:?} means every port"
            );
        }
    }
}

fn check_directory(text: &str, directory: &DirectoryGrant) {
    assert!(!directory.host.as_os_str().is_empty() && !directory.guest.is_empty());
    let is_writable = directory.access == Access::ReadWrite;
    assert_eq!(
        is_writable,
        text.ends_with(":rw"),
        "only `:rw` at the end lets a guest write"
    );
    assert!(text.contains(&directory.guest) && text.starts_with(&*directory.host.to_string_lossy()));
}

fn check_words(text: &str) {
    if let Some(ClockGrant::Fixed(time)) = read(text) {
        let shown = format!("fixed:{}", time.as_secs_f64());
        assert!(matches!(shown.parse(), Ok(ClockGrant::Fixed(_))), "{shown}");
    }
    if let Some(RandomGrant::Fixed(seed)) = read(text) {
        assert_eq!(format!("fixed:{seed}").parse(), Ok(RandomGrant::Fixed(seed)));
    }
    if let Some(stdio) = read::<StdioGrant>(text) {
        let words = [(stdio.input, "in"), (stdio.output, "out"), (stdio.error, "err")];
        for (is_granted, word) in words {
            let is_named = text == "all" || text.split(',').any(|named| named == word);
            assert_eq!(is_granted, is_named, "`{word}` of `{text}`");
        }
    }
}

/// A size shows rounded to two digits or better.
fn check_size(text: &str) {
    // The largest ones are rounded up to what does not fit 64 bits.
    const SHOWN_MAX: u64 = u64::MAX - (1 << 40);
    let Ok(bytes) = parse_bytes(text) else { return };
    assert_eq!(parse_bytes(&bytes.to_string()), Ok(bytes));
    if bytes <= SHOWN_MAX {
        let shown = show_bytes(bytes);
        let again = parse_bytes(&shown).unwrap_or_else(|error| panic!("{bytes}: {error}"));
        assert!(again.abs_diff(bytes) <= bytes / 18, "{bytes} shows as {shown}");
    }
}

/// A time shows rounded to a thousandth of its unit.
fn check_time(text: &str) {
    const SHOWN_MAX: Duration = Duration::from_secs(u64::MAX / 2);
    let Ok(time) = parse_duration(text) else { return };
    if time <= SHOWN_MAX {
        let shown = show_duration(time);
        let again = parse_duration(&shown).unwrap_or_else(|error| panic!("{time:?}: {error}"));
        let allowed = time / 1000 + Duration::from_micros(1);
        assert!(again.abs_diff(time) <= allowed, "{time:?} shows as {shown}");
    }
}
