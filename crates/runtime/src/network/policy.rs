//! Which addresses the sockets of a guest may use.
//!
//! wasmtime-wasi asks before every system call that names an address and says what the address is for; it
//! does not say which socket asks. The rules follow from when it asks:
//!
//! * *bind* also stands for the bind that the system does by itself when an unbound socket connects, sends or
//!   listens; the address is then the unspecified one with port 0. Nothing can reach or leave the guest
//!   through a socket that is only bound that way, so this is always let through: the question that follows
//!   names the far end, and that is the one to refuse and report.
//! * *listen* comes with the address that the socket has by then. A grant of port 0 ("any free port")
//!   therefore has to admit the port that the system chose; an explicit bind to that port was refused before.
//! * *accept* and *receive* come with the far end, which a grant to listen does not name.
//! * Connecting a UDP socket asks *bind*, *send* and *receive*, in this order.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;
use weft_app::grant::{HostPattern, NetworkGrant, Peer, is_private};

use super::address_book::AddressBook;
use super::resolver::{Resolver, SystemResolver};
use crate::denial::{Denial, DenialLog};

/// Far ends that a listening UDP socket may answer; the oldest is forgotten first.
const CORRESPONDENTS_MAX: usize = 1024;

/// Decides which addresses a guest may use and which names it may look up. One policy belongs to one guest;
/// clones are the same policy.
///
/// # Authority
///
/// Grants are the [`NetworkGrant`] it was made from. A name means the addresses it resolves to at the moment
/// (answers are kept for 30 s) and those that the guest was told when it looked the name up itself; a pattern
/// such as `*.example.com` means only the latter. A name never means a private address, except that
/// `localhost` means the loopback addresses and nothing else.
///
/// Who may listen for datagrams may also answer those who sent one, and may receive on any of its sockets:
/// the question does not tell which socket receives.
///
/// # Limits
///
/// Remembers 1024 addresses that the guest was told about and 1024 far ends that it may answer.
#[derive(Clone)]
pub struct NetworkPolicy {
    parts: Arc<Parts>,
}

struct Parts {
    grant: NetworkGrant,
    book: AddressBook,
    correspondents: Mutex<Correspondents>,
    denials: DenialLog,
}

/// Who sent datagrams to a guest that may listen for them.
#[derive(Default)]
struct Correspondents {
    known: HashSet<SocketAddr>,
    /// By age, the oldest first.
    ages: VecDeque<SocketAddr>,
}

impl NetworkPolicy {
    /// A policy that resolves names as the operating system does and writes what it refuses into `denials`.
    pub fn new(grant: NetworkGrant, denials: DenialLog) -> Self {
        Self::with_resolver(grant, denials, Arc::new(SystemResolver))
    }

    /// A policy whose names lead where `resolver` says.
    pub fn with_resolver(grant: NetworkGrant, denials: DenialLog, resolver: Arc<dyn Resolver>) -> Self {
        let book = AddressBook::new(resolver);
        Self {
            parts: Arc::new(Parts {
                grant,
                book,
                correspondents: Mutex::default(),
                denials,
            }),
        }
    }

    /// Puts the sockets of the guest that is being built under this policy.
    ///
    /// Creating a socket is allowed without any grant: it reaches nobody, and the first refusal then names
    /// the address that the guest wanted. Name look-ups of wasmtime-wasi stay switched off; those of
    /// [`host`](super::host) replace them.
    pub fn install(&self, builder: &mut WasiCtxBuilder) {
        let policy = self.clone();
        builder
            .allow_tcp(true)
            .allow_udp(true)
            .allow_ip_name_lookup(false);
        builder.socket_addr_check(move |address, purpose| {
            let policy = policy.clone();
            Box::pin(async move { policy.allows(address, purpose).await })
        });
    }

    /// Whether the guest may use the address for this purpose. A refusal is recorded.
    ///
    /// Dropping the future decides nothing; a name query that is under way ends by itself.
    pub async fn allows(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let allowed = self.decide(address, purpose).await;
        if !allowed {
            self.record(self.denial(address, purpose));
        }
        allowed
    }

    async fn decide(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        let grant = self.grant();
        match purpose {
            SocketAddrUse::TcpConnect => self.covers(&grant.tcp_connect, address).await,
            SocketAddrUse::UdpSend => {
                self.covers(&grant.udp_connect, address).await || self.may_answer(address)
            }
            SocketAddrUse::TcpBind => {
                self.may_bind(&grant.tcp_connect, &grant.tcp_listen, address)
                    .await
            }
            SocketAddrUse::UdpBind => {
                self.may_bind(&grant.udp_connect, &grant.udp_listen, address)
                    .await
            }
            SocketAddrUse::TcpListen => {
                let any_free_port = SocketAddr::new(address.ip(), 0);
                self.covers(&grant.tcp_listen, address).await
                    || self.covers(&grant.tcp_listen, any_free_port).await
            }
            SocketAddrUse::TcpAccept => !grant.tcp_listen.is_empty(),
            SocketAddrUse::UdpReceive if grant.udp_listen.is_empty() => {
                self.covers(&grant.udp_connect, address).await
            }
            SocketAddrUse::UdpReceive => {
                self.parts.correspondents.lock().insert(address);
                true
            }
        }
    }

    /// A client may take any free port on the loopback address once it may connect anywhere; everything else
    /// needs a grant to listen.
    async fn may_bind(&self, connect: &[Peer], listen: &[Peer], address: SocketAddr) -> bool {
        let is_implicit = address.port() == 0 && address.ip().is_unspecified();
        let is_client = address.port() == 0 && address.ip().is_loopback() && !connect.is_empty();
        is_implicit || is_client || self.covers(listen, address).await
    }

    fn may_answer(&self, address: SocketAddr) -> bool {
        !self.grant().udp_listen.is_empty() && self.parts.correspondents.lock().known.contains(&address)
    }

    /// Whether one of the peers means the address, by itself or through its name.
    async fn covers(&self, peers: &[Peer], address: SocketAddr) -> bool {
        let ip = address.ip();
        let at_port = || peers.iter().filter(|peer| peer.port.matches(address.port()));
        if at_port().any(|peer| peer.host.matches_address(ip) || is_localhost(&peer.host, ip)) {
            return true;
        }
        // From here on only names are left, and whoever controls a name decides what it answers.
        if is_private(ip) {
            return false;
        }
        let told = self.book().names_told(ip);
        if at_port().any(|peer| told.iter().any(|name| peer.host.matches_name(name))) {
            return true;
        }
        for peer in at_port() {
            if let HostPattern::Name(name) = &peer.host
                && self.book().leads_to(name, ip, Instant::now()).await
            {
                return true;
            }
        }
        false
    }

    /// What to tell the person who ran the guest: the flag grants just what was refused.
    fn denial(&self, address: SocketAddr, purpose: SocketAddrUse) -> Denial {
        let names = self.book().names_told(address.ip());
        let (attempted, flag) = match purpose {
            SocketAddrUse::TcpConnect => ("a TCP connection to", "--tcp"),
            SocketAddrUse::UdpSend => ("a datagram to", "--udp"),
            SocketAddrUse::UdpReceive => ("a datagram from", "--udp"),
            SocketAddrUse::TcpBind => ("a TCP socket bound to", "--tcp-listen"),
            SocketAddrUse::TcpListen => ("listening for TCP connections on", "--tcp-listen"),
            SocketAddrUse::TcpAccept => ("a TCP connection from", "--tcp-listen"),
            SocketAddrUse::UdpBind => ("a UDP socket bound to", "--udp-listen"),
        };
        let wanted = match purpose {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => far_end(&names, address),
            SocketAddrUse::UdpReceive | SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                address.to_string()
            }
            // The system chose the port: another one could not have been bound.
            SocketAddrUse::TcpListen => SocketAddr::new(address.ip(), 0).to_string(),
            // The far end is not what a grant to listen names.
            SocketAddrUse::TcpAccept => SocketAddr::new(unspecified(address.ip()), 0).to_string(),
        };
        let led_by = names
            .last()
            .map(|name| format!(" (`{name}`)"))
            .unwrap_or_default();
        Denial {
            interface: "wasi:sockets".into(),
            attempted: format!("{attempted} {address}{led_by}"),
            flag: format!("{flag} {wanted}"),
        }
    }

    pub(super) fn record(&self, denial: Denial) {
        self.parts.denials.record(denial);
    }

    pub(super) fn grant(&self) -> &NetworkGrant {
        &self.parts.grant
    }

    pub(super) fn book(&self) -> &AddressBook {
        &self.parts.book
    }
}

fn is_localhost(host: &HostPattern, address: IpAddr) -> bool {
    matches!(host, HostPattern::Name(name) if name == "localhost") && address.is_loopback()
}

/// The far end as a grant would write it: by the name that led there, if that name may lead there.
fn far_end(names: &[String], address: SocketAddr) -> String {
    let may_lead = |name: &&String| match address.ip() {
        ip if ip.is_loopback() => *name == "localhost",
        ip => !is_private(ip),
    };
    match names.iter().rev().find(may_lead) {
        Some(name) => format!("{name}:{}", address.port()),
        None => address.to_string(),
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    }
}

impl Correspondents {
    fn insert(&mut self, address: SocketAddr) {
        if !self.known.insert(address) {
            return;
        }
        self.ages.push_back(address);
        if self.ages.len() > CORRESPONDENTS_MAX
            && let Some(oldest) = self.ages.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl fmt::Debug for NetworkPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkPolicy")
            .field("grant", self.grant())
            .finish_non_exhaustive()
    }
}
