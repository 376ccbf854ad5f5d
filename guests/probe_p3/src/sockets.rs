//! The network.

use std::net::SocketAddr;

use wasip3::sockets::ip_name_lookup;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket, UdpSocket,
};

use crate::{Answer, Failure, refused, streams};

/// Connects; with a text, sends it, closes its own side and reads the reply to the end.
pub(crate) async fn tcp_connect(address: &str, text: Option<&str>) -> Answer {
    let address = resolve(address).await?;
    let socket = TcpSocket::create(family(&address)).map_err(refused)?;
    socket.connect(address).await.map_err(refused)?;
    let Some(text) = text else {
        return Ok(format!("connected to {}", show(address)));
    };
    let (reply, ended) = socket.receive();
    socket
        .send(streams::of(text.as_bytes().to_vec()))
        .await
        .map_err(refused)?;
    let reply = streams::read_to_end(reply).await;
    ended.await.map_err(refused)?;
    Ok(format!("reply {:?}", String::from_utf8_lossy(&reply)))
}

/// Sends one datagram and waits for the reply.
pub(crate) async fn udp_exchange(address: &str, text: &str) -> Answer {
    let address = resolve(address).await?;
    let socket = UdpSocket::create(family(&address)).map_err(refused)?;
    socket.bind(any_port(&address)).map_err(refused)?;
    socket
        .send(text.as_bytes().to_vec(), Some(address))
        .await
        .map_err(refused)?;
    let (reply, peer) = socket.receive().await.map_err(refused)?;
    Ok(format!(
        "reply {:?} from {}",
        String::from_utf8_lossy(&reply),
        show(peer)
    ))
}

pub(crate) async fn lookup(name: &str) -> Answer {
    let addresses = ip_name_lookup::resolve_addresses(name.into())
        .await
        .map_err(refused)?;
    let mut addresses: Vec<String> = addresses
        .into_iter()
        .map(|address| host(address).to_string())
        .collect();
    addresses.sort();
    addresses.dedup();
    Ok(format!("{addresses:?}"))
}

/// An address of numbers as it stands, or the first one that a name has.
async fn resolve(text: &str) -> Result<IpSocketAddress, Failure> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(of_std(address));
    }
    let wrong = || Failure::Usage(format!("`{text}` is not HOST:PORT"));
    let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let addresses = ip_name_lookup::resolve_addresses(name.into())
        .await
        .map_err(refused)?;
    let first = addresses
        .into_iter()
        .next()
        .ok_or_else(|| Failure::Refused(format!("`{name}` has no address")))?;
    Ok(of_std(SocketAddr::new(host(first), port)))
}

fn of_std(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port: address.port(),
            address: address.ip().octets().into(),
        }),
        SocketAddr::V6(address) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: address.port(),
            flow_info: address.flowinfo(),
            address: address.ip().segments().into(),
            scope_id: address.scope_id(),
        }),
    }
}

fn host(address: IpAddress) -> std::net::IpAddr {
    match address {
        IpAddress::Ipv4(parts) => <[u8; 4]>::from(parts).into(),
        IpAddress::Ipv6(parts) => <[u16; 8]>::from(parts).into(),
    }
}

fn show(address: IpSocketAddress) -> String {
    let address = match address {
        IpSocketAddress::Ipv4(v4) => SocketAddr::new(host(IpAddress::Ipv4(v4.address)), v4.port),
        IpSocketAddress::Ipv6(v6) => SocketAddr::new(host(IpAddress::Ipv6(v6.address)), v6.port),
    };
    address.to_string()
}

fn family(address: &IpSocketAddress) -> IpAddressFamily {
    match address {
        IpSocketAddress::Ipv4(_) => IpAddressFamily::Ipv4,
        IpSocketAddress::Ipv6(_) => IpAddressFamily::Ipv6,
    }
}

/// Any address of our own, in the family of the peer's.
fn any_port(peer: &IpSocketAddress) -> IpSocketAddress {
    of_std(match peer {
        IpSocketAddress::Ipv4(_) => SocketAddr::from(([0; 4], 0)),
        IpSocketAddress::Ipv6(_) => SocketAddr::from(([0u16; 8], 0)),
    })
}
