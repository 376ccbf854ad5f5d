//! The rules of the network border, as tables: grant, address, purpose, answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime_wasi::sockets::SocketAddrUse::{
    self, TcpAccept, TcpBind, TcpConnect, TcpListen, UdpBind, UdpReceive, UdpSend,
};
use weft_app::grant::{NetworkGrant, Peer};

use super::{LookupError, NetworkPolicy};
use crate::denial::{Denial, DenialLog};

/// Addresses that are neither private nor set aside, as names on the internet would have.
const PUBLIC: &str = "93.184.216.34";
const OTHER: &str = "93.184.216.35";

fn peers(texts: &[&str]) -> Vec<Peer> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn tcp(texts: &[&str]) -> NetworkGrant {
    NetworkGrant {
        tcp_connect: peers(texts),
        ..NetworkGrant::default()
    }
}

fn tcp_listen(texts: &[&str]) -> NetworkGrant {
    NetworkGrant {
        tcp_listen: peers(texts),
        ..NetworkGrant::default()
    }
}

fn udp(texts: &[&str]) -> NetworkGrant {
    NetworkGrant {
        udp_connect: peers(texts),
        ..NetworkGrant::default()
    }
}

fn udp_listen(texts: &[&str]) -> NetworkGrant {
    NetworkGrant {
        udp_listen: peers(texts),
        ..NetworkGrant::default()
    }
}

fn dns(texts: &[&str]) -> NetworkGrant {
    NetworkGrant {
        names: texts.iter().map(|text| text.parse().unwrap()).collect(),
        ..NetworkGrant::default()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A small internet: names under `example.com` are public, those under `inside.example.com` lead home.
fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    match name.trim_end_matches('.') {
        "example.com" | "a.example.com" => Ok(vec![ip(PUBLIC)]),
        "db.inside.example.com" => Ok(vec![ip("10.0.0.5")]),
        "mapped.inside.example.com" => Ok(vec![ip("::ffff:10.0.0.5")]),
        "nat64.inside.example.com" => Ok(vec![ip("64:ff9b::a00:5")]),
        "home.inside.example.com" => Ok(vec![ip("127.0.0.1"), ip("::1")]),
        "localhost" => Ok(vec![ip("127.0.0.1"), ip("10.0.0.5")]),
        _ => Err(io::Error::other("no such name")),
    }
}

fn policy(grant: NetworkGrant) -> (NetworkPolicy, DenialLog) {
    let denials = DenialLog::default();
    (
        NetworkPolicy::with_resolver(grant, denials.clone(), Arc::new(resolve)),
        denials,
    )
}

/// Asks once; `None` if allowed, else the flag that was named.
async fn flag(
    policy: &NetworkPolicy,
    denials: &DenialLog,
    address: &str,
    purpose: SocketAddrUse,
) -> Option<String> {
    let allowed = policy.allows(address.parse().unwrap(), purpose).await;
    let mut entries = denials.take().entries;
    assert_eq!(
        entries.len(),
        usize::from(!allowed),
        "every refusal is recorded, and nothing else"
    );
    entries.pop().map(|denial| denial.flag)
}

/// Each row under a fresh policy: grant, address, purpose, the flag of the refusal or `None` if allowed.
async fn check(table: &[(NetworkGrant, &str, SocketAddrUse, Option<&str>)]) {
    for (grant, address, purpose, expected) in table {
        let (policy, denials) = policy(grant.clone());
        let found = flag(&policy, &denials, address, *purpose).await;
        assert_eq!(
            found.as_deref(),
            *expected,
            "{address} {purpose:?} under {grant:?}"
        );
    }
}

#[tokio::test]
async fn without_a_grant_everything_is_refused_by_name_of_the_missing_flag() {
    let none = NetworkGrant::default;
    check(&[
        (none(), "192.0.2.1:80", TcpConnect, Some("--tcp 192.0.2.1:80")),
        (
            none(),
            "[2001:db8::1]:80",
            TcpConnect,
            Some("--tcp [2001:db8::1]:80"),
        ),
        (
            none(),
            "[::ffff:192.0.2.1]:80",
            TcpConnect,
            Some("--tcp 192.0.2.1:80"),
        ),
        (none(), "127.0.0.1:0", TcpBind, Some("--tcp-listen 127.0.0.1:0")),
        (none(), "0.0.0.0:80", TcpBind, Some("--tcp-listen 0.0.0.0:80")),
        (none(), "0.0.0.0:0", TcpListen, Some("--tcp-listen 0.0.0.0:0")),
        (none(), "[::]:0", TcpListen, Some("--tcp-listen [::]:0")),
        (none(), "0.0.0.0:40000", TcpListen, Some("--tcp-listen 0.0.0.0:0")),
        (
            none(),
            "192.0.2.1:40000",
            TcpAccept,
            Some("--tcp-listen 0.0.0.0:0"),
        ),
        (none(), "127.0.0.1:0", UdpBind, Some("--udp-listen 127.0.0.1:0")),
        (none(), "0.0.0.0:53", UdpBind, Some("--udp-listen 0.0.0.0:53")),
        (none(), "192.0.2.1:53", UdpSend, Some("--udp 192.0.2.1:53")),
        (none(), "192.0.2.1:53", UdpReceive, Some("--udp 192.0.2.1:53")),
    ])
    .await;
}

#[tokio::test]
async fn every_flag_that_a_refusal_names_grants_what_was_refused() {
    let questions = [
        ("192.0.2.1:80", TcpConnect),
        ("[2001:db8::1]:80", TcpConnect),
        ("127.0.0.1:0", TcpBind),
        ("0.0.0.0:80", TcpBind),
        ("[::]:40000", TcpListen),
        ("192.0.2.1:40000", TcpAccept),
        ("0.0.0.0:53", UdpBind),
        ("192.0.2.1:53", UdpSend),
        ("192.0.2.1:53", UdpReceive),
    ];
    for (address, purpose) in questions {
        let (refusing, denials) = policy(NetworkGrant::default());
        let named = flag(&refusing, &denials, address, purpose).await.unwrap();
        let (flag_name, peer) = named.split_once(' ').unwrap();
        let grant = match flag_name {
            "--tcp" => tcp(&[peer]),
            "--tcp-listen" => tcp_listen(&[peer]),
            "--udp" => udp(&[peer]),
            "--udp-listen" => udp_listen(&[peer]),
            _ => panic!("{named} is no flag"),
        };
        let (granting, denials) = policy(grant);
        assert_eq!(flag(&granting, &denials, address, purpose).await, None, "{named}");
    }
}

#[tokio::test]
async fn an_unrestricted_guest_is_refused_nothing() {
    let purposes = [
        TcpConnect, TcpBind, TcpListen, TcpAccept, UdpBind, UdpSend, UdpReceive,
    ];
    for address in [
        "127.0.0.1:1",
        "0.0.0.0:0",
        "[::1]:65535",
        "93.184.216.34:80",
        "224.0.0.1:5353",
    ] {
        for purpose in purposes {
            check(&[(NetworkGrant::unrestricted(), address, purpose, None)]).await;
        }
    }
}

#[tokio::test]
async fn a_far_end_is_granted_by_address_block_and_port() {
    let block = || tcp(&["192.0.2.0/24:80-81"]);
    check(&[
        (block(), "192.0.2.1:80", TcpConnect, None),
        (block(), "192.0.2.255:81", TcpConnect, None),
        (block(), "[::ffff:192.0.2.7]:80", TcpConnect, None),
        (block(), "192.0.3.1:80", TcpConnect, Some("--tcp 192.0.3.1:80")),
        (block(), "192.0.2.1:82", TcpConnect, Some("--tcp 192.0.2.1:82")),
        (block(), "192.0.2.1:80", UdpSend, Some("--udp 192.0.2.1:80")),
        (
            block(),
            "192.0.2.1:80",
            TcpBind,
            Some("--tcp-listen 192.0.2.1:80"),
        ),
        (tcp(&["*:443"]), "10.0.0.1:443", TcpConnect, None),
        (
            tcp(&["*:443"]),
            "10.0.0.1:80",
            TcpConnect,
            Some("--tcp 10.0.0.1:80"),
        ),
        (
            tcp(&["[2001:db8::]/32:80"]),
            "[2001:db8:1::1]:80",
            TcpConnect,
            None,
        ),
        (
            tcp(&["[2001:db8::]/32:80"]),
            "[2001:db9::1]:80",
            TcpConnect,
            Some("--tcp [2001:db9::1]:80"),
        ),
        (udp(&["192.0.2.1:53"]), "192.0.2.1:53", UdpSend, None),
        (udp(&["192.0.2.1:53"]), "192.0.2.1:53", UdpReceive, None),
        (
            udp(&["192.0.2.1:53"]),
            "192.0.2.2:53",
            UdpReceive,
            Some("--udp 192.0.2.2:53"),
        ),
        (
            udp(&["192.0.2.1:53"]),
            "192.0.2.1:53",
            TcpConnect,
            Some("--tcp 192.0.2.1:53"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_client_may_bind_a_free_port_but_neither_listen_nor_accept() {
    let client = || tcp(&["192.0.2.1:80"]);
    check(&[
        (client(), "0.0.0.0:0", TcpBind, None),
        (client(), "[::]:0", TcpBind, None),
        (client(), "127.0.0.1:0", TcpBind, None),
        (client(), "[::1]:0", TcpBind, None),
        (
            client(),
            "127.0.0.1:80",
            TcpBind,
            Some("--tcp-listen 127.0.0.1:80"),
        ),
        (client(), "192.0.2.9:0", TcpBind, Some("--tcp-listen 192.0.2.9:0")),
        (
            client(),
            "127.0.0.1:40000",
            TcpListen,
            Some("--tcp-listen 127.0.0.1:0"),
        ),
        (
            client(),
            "192.0.2.1:80",
            TcpAccept,
            Some("--tcp-listen 0.0.0.0:0"),
        ),
        (client(), "127.0.0.1:0", UdpBind, Some("--udp-listen 127.0.0.1:0")),
        (udp(&["192.0.2.1:53"]), "127.0.0.1:0", UdpBind, None),
        (
            udp(&["192.0.2.1:53"]),
            "127.0.0.1:53",
            UdpBind,
            Some("--udp-listen 127.0.0.1:53"),
        ),
        (
            udp(&["192.0.2.1:53"]),
            "127.0.0.1:0",
            TcpBind,
            Some("--tcp-listen 127.0.0.1:0"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_local_address_is_granted_with_its_port_or_with_any_free_one() {
    let fixed = || tcp_listen(&["127.0.0.1:8080"]);
    let free = || tcp_listen(&["127.0.0.1:0"]);
    check(&[
        (fixed(), "127.0.0.1:8080", TcpBind, None),
        (fixed(), "127.0.0.1:8080", TcpListen, None),
        (
            fixed(),
            "127.0.0.1:8081",
            TcpBind,
            Some("--tcp-listen 127.0.0.1:8081"),
        ),
        (fixed(), "127.0.0.1:0", TcpBind, Some("--tcp-listen 127.0.0.1:0")),
        (
            fixed(),
            "0.0.0.0:8080",
            TcpBind,
            Some("--tcp-listen 0.0.0.0:8080"),
        ),
        (fixed(), "0.0.0.0:0", TcpListen, Some("--tcp-listen 0.0.0.0:0")),
        (fixed(), "192.0.2.1:5000", TcpAccept, None),
        (
            fixed(),
            "192.0.2.1:5000",
            TcpConnect,
            Some("--tcp 192.0.2.1:5000"),
        ),
        (free(), "127.0.0.1:0", TcpBind, None),
        (free(), "127.0.0.1:40000", TcpListen, None),
        (
            free(),
            "127.0.0.1:40000",
            TcpBind,
            Some("--tcp-listen 127.0.0.1:40000"),
        ),
        (free(), "0.0.0.0:40000", TcpListen, Some("--tcp-listen 0.0.0.0:0")),
        (tcp_listen(&["localhost:80"]), "[::1]:80", TcpBind, None),
        (
            tcp_listen(&["localhost:80"]),
            "0.0.0.0:80",
            TcpBind,
            Some("--tcp-listen 0.0.0.0:80"),
        ),
        (udp_listen(&["127.0.0.1:53"]), "127.0.0.1:53", UdpBind, None),
        (udp_listen(&["127.0.0.1:53"]), "192.0.2.1:4000", UdpReceive, None),
        (
            udp_listen(&["127.0.0.1:53"]),
            "192.0.2.1:4000",
            UdpSend,
            Some("--udp 192.0.2.1:4000"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn who_may_listen_for_datagrams_may_answer_those_who_sent_one() {
    let (policy, denials) = policy(udp_listen(&["127.0.0.1:53"]));
    assert_eq!(flag(&policy, &denials, "192.0.2.1:4000", UdpReceive).await, None);
    assert_eq!(flag(&policy, &denials, "192.0.2.1:4000", UdpSend).await, None);
    let elsewhere = flag(&policy, &denials, "192.0.2.1:4001", UdpSend).await;
    assert_eq!(elsewhere.as_deref(), Some("--udp 192.0.2.1:4001"));
}

#[tokio::test]
async fn the_oldest_correspondent_is_forgotten_when_there_are_too_many() {
    let (policy, denials) = policy(udp_listen(&["127.0.0.1:53"]));
    for port in 1..=1025 {
        let sender = SocketAddr::new(ip("192.0.2.1"), port);
        assert!(policy.allows(sender, UdpReceive).await);
    }
    assert_eq!(flag(&policy, &denials, "192.0.2.1:1025", UdpSend).await, None);
    assert!(flag(&policy, &denials, "192.0.2.1:1", UdpSend).await.is_some());
}

#[tokio::test]
async fn a_name_grants_the_public_addresses_it_leads_to_and_no_private_one() {
    let private = |name: &str| tcp(&[&format!("{name}:80")]);
    check(&[
        (tcp(&["example.com:80"]), "93.184.216.34:80", TcpConnect, None),
        (
            tcp(&["example.com:80"]),
            "93.184.216.34:81",
            TcpConnect,
            Some("--tcp 93.184.216.34:81"),
        ),
        (
            tcp(&["example.com:80"]),
            "93.184.216.35:80",
            TcpConnect,
            Some("--tcp 93.184.216.35:80"),
        ),
        (udp(&["example.com:53"]), "93.184.216.34:53", UdpSend, None),
        (udp(&["example.com:53"]), "93.184.216.34:53", UdpReceive, None),
        (
            tcp(&["missing.example.com:80"]),
            "93.184.216.34:80",
            TcpConnect,
            Some("--tcp 93.184.216.34:80"),
        ),
        (
            private("db.inside.example.com"),
            "10.0.0.5:80",
            TcpConnect,
            Some("--tcp 10.0.0.5:80"),
        ),
        (
            private("mapped.inside.example.com"),
            "10.0.0.5:80",
            TcpConnect,
            Some("--tcp 10.0.0.5:80"),
        ),
        (
            private("nat64.inside.example.com"),
            "[64:ff9b::a00:5]:80",
            TcpConnect,
            Some("--tcp [64:ff9b::a00:5]:80"),
        ),
        (
            private("home.inside.example.com"),
            "127.0.0.1:80",
            TcpConnect,
            Some("--tcp 127.0.0.1:80"),
        ),
        (
            tcp(&["db.inside.example.com:80", "10.0.0.0/8:80"]),
            "10.0.0.5:80",
            TcpConnect,
            None,
        ),
        (tcp(&["localhost:80"]), "127.0.0.1:80", TcpConnect, None),
        (tcp(&["localhost:80"]), "127.8.9.1:80", TcpConnect, None),
        (tcp(&["localhost:80"]), "[::1]:80", TcpConnect, None),
        (
            tcp(&["localhost:80"]),
            "10.0.0.5:80",
            TcpConnect,
            Some("--tcp 10.0.0.5:80"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_pattern_of_names_grants_what_the_guest_was_told() {
    let (policy, denials) = policy(tcp(&["*.example.com:80"]));
    assert!(
        flag(&policy, &denials, "93.184.216.34:80", TcpConnect)
            .await
            .is_some()
    );
    assert_eq!(policy.look_up("A.Example.com.").await, Ok(vec![ip(PUBLIC)]));
    assert_eq!(
        flag(&policy, &denials, "93.184.216.34:80", TcpConnect).await,
        None
    );
    let other_port = flag(&policy, &denials, "93.184.216.34:81", TcpConnect).await;
    assert_eq!(other_port.as_deref(), Some("--tcp a.example.com:81"));
    assert_eq!(
        policy.look_up("home.inside.example.com").await,
        Ok(vec![ip("127.0.0.1"), ip("::1")])
    );
    let home = flag(&policy, &denials, "127.0.0.1:80", TcpConnect).await;
    assert_eq!(home.as_deref(), Some("--tcp 127.0.0.1:80"));
}

#[tokio::test]
async fn looking_a_name_up_grants_no_connection() {
    let (policy, denials) = policy(dns(&["example.com", "localhost"]));
    assert_eq!(policy.look_up("example.com").await, Ok(vec![ip(PUBLIC)]));
    assert!(policy.look_up("localhost").await.is_ok());
    assert!(
        !policy
            .allows("93.184.216.34:80".parse().unwrap(), TcpConnect)
            .await
    );
    assert!(!policy.allows("127.0.0.1:80".parse().unwrap(), UdpSend).await);
    let by_name = |attempted: &str, flag: &str| Denial {
        interface: "wasi:sockets".into(),
        attempted: attempted.into(),
        flag: flag.into(),
    };
    assert_eq!(
        denials.take().entries,
        [
            by_name(
                "a TCP connection to 93.184.216.34:80 (`example.com`)",
                "--tcp example.com:80"
            ),
            by_name("a datagram to 127.0.0.1:80 (`localhost`)", "--udp localhost:80"),
        ],
    );
}

#[tokio::test]
async fn an_address_that_the_guest_was_told_outlives_round_robin() {
    let turn = AtomicBool::new(false);
    let alternate = move |_: &str| {
        let first = turn.fetch_not(Ordering::Relaxed);
        Ok(vec![ip(if first { OTHER } else { PUBLIC })])
    };
    let denials = DenialLog::default();
    let policy = NetworkPolicy::with_resolver(tcp(&["example.com:80"]), denials.clone(), Arc::new(alternate));
    assert_eq!(policy.look_up("example.com").await, Ok(vec![ip(PUBLIC)]));
    assert_eq!(policy.look_up("example.com").await, Ok(vec![ip(OTHER)]));
    assert_eq!(
        flag(&policy, &denials, "93.184.216.34:80", TcpConnect).await,
        None
    );
    assert_eq!(
        flag(&policy, &denials, "93.184.216.35:80", TcpConnect).await,
        None
    );
}

#[tokio::test]
async fn a_name_that_changes_its_answer_to_a_private_address_leads_nowhere() {
    for private in [
        "127.0.0.1",
        "10.0.0.5",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.5",
    ] {
        let rebound = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&rebound);
        let resolver = move |_: &str| {
            Ok(vec![ip(if switch.load(Ordering::Relaxed) {
                private
            } else {
                PUBLIC
            })])
        };
        let denials = DenialLog::default();
        let grant = tcp(&["example.com:80", "*.example.com:80"]);
        let policy = NetworkPolicy::with_resolver(grant, denials.clone(), Arc::new(resolver));
        assert!(policy.look_up("example.com").await.is_ok());
        assert_eq!(
            flag(&policy, &denials, "93.184.216.34:80", TcpConnect).await,
            None
        );
        rebound.store(true, Ordering::Relaxed);
        assert_eq!(
            policy.look_up("example.com").await,
            Ok(vec![ip(private).to_canonical()])
        );
        assert!(policy.look_up("a.example.com").await.is_ok());
        let target = SocketAddr::new(ip(private), 80).to_string();
        assert!(
            flag(&policy, &denials, &target, TcpConnect).await.is_some(),
            "{private}"
        );
    }
}

#[tokio::test]
async fn a_name_is_looked_up_only_when_granted() {
    let table = [
        (dns(&["example.com"]), "example.com", Ok(())),
        (dns(&["example.com"]), "EXAMPLE.COM.", Ok(())),
        (dns(&["*.example.com"]), "a.example.com", Ok(())),
        (tcp(&["example.com:80"]), "example.com", Ok(())),
        (udp(&["*:53"]), "example.com", Ok(())),
        (dns(&["*"]), "missing.example.com", Err(LookupError::Unresolvable)),
        (dns(&["*"]), "exa mple.com", Err(LookupError::InvalidName)),
        (dns(&["*"]), "", Err(LookupError::InvalidName)),
        (
            dns(&["*.example.com"]),
            "example.com",
            Err(LookupError::NotGranted),
        ),
        (
            dns(&["example.com"]),
            "a.example.com",
            Err(LookupError::NotGranted),
        ),
        (
            tcp_listen(&["example.com:80"]),
            "example.com",
            Err(LookupError::NotGranted),
        ),
        (
            NetworkGrant::default(),
            "example.com",
            Err(LookupError::NotGranted),
        ),
        (
            NetworkGrant::default(),
            "exa mple.com",
            Err(LookupError::InvalidName),
        ),
        (tcp(&["10.0.0.0/8:80"]), "10.1.2.3", Ok(())),
        (tcp(&["10.0.0.0/8:80"]), "0x0a.1", Ok(())),
        (tcp(&["10.0.0.0/8:80"]), "[::ffff:10.1.2.3]", Ok(())),
        (tcp_listen(&["127.0.0.1:0"]), "127.0.0.1", Ok(())),
        (tcp(&["10.0.0.0/8:80"]), "11.1.2.3", Err(LookupError::NotGranted)),
        (
            dns(&["example.com"]),
            "93.184.216.34",
            Err(LookupError::NotGranted),
        ),
    ];
    for (grant, name, expected) in table {
        let (policy, denials) = policy(grant.clone());
        assert_eq!(
            policy.look_up(name).await.map(drop),
            expected,
            "{name:?} under {grant:?}"
        );
        let refused = expected == Err(LookupError::NotGranted);
        let entries = denials.take().entries;
        assert_eq!(entries.len(), usize::from(refused), "{name:?}");
        assert!(
            entries
                .iter()
                .all(|denial| denial.flag == format!("--dns {name}")),
            "{entries:?}"
        );
    }
}
