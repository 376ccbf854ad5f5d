//! The network. In preview 1, which has none, every command is refused by the standard library.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use crate::Answer;

/// Replies longer than this are cut.
const REPLY_BYTES_MAX: u64 = 1 << 20;

/// Connects; with a text, sends it, closes its own side and reads the reply to the end.
pub(crate) fn tcp_connect(address: &str, text: Option<&str>) -> Answer {
    let mut stream = TcpStream::connect(address)?;
    let Some(text) = text else {
        return Ok(format!("connected to {}", stream.peer_addr()?));
    };
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = Vec::new();
    stream.take(REPLY_BYTES_MAX).read_to_end(&mut reply)?;
    Ok(format!("reply {:?}", String::from_utf8_lossy(&reply)))
}

/// Accepts one connection and sends everything back that comes.
pub(crate) fn tcp_listen(address: &str) -> Answer {
    let listener = TcpListener::bind(address)?;
    println!("ok listening on {}", listener.local_addr()?);
    io::stdout().flush()?;
    let (stream, peer) = listener.accept()?;
    let bytes = io::copy(&mut &stream, &mut &stream)?;
    Ok(format!("echoed {bytes} bytes to {peer}"))
}

pub(crate) fn udp_bind(address: &str) -> Answer {
    let socket = UdpSocket::bind(address)?;
    Ok(format!("bound {}", socket.local_addr()?))
}

pub(crate) fn udp_send(address: &str, text: &str) -> Answer {
    let bytes = udp_socket(address)?.send_to(text.as_bytes(), address)?;
    Ok(format!("sent {bytes} bytes"))
}

/// Sends one datagram and waits for the reply.
pub(crate) fn udp_exchange(address: &str, text: &str) -> Answer {
    let socket = udp_socket(address)?;
    socket.send_to(text.as_bytes(), address)?;
    let mut reply = vec![0; 64 * 1024];
    let (bytes, peer) = socket.recv_from(&mut reply)?;
    Ok(format!(
        "reply {:?} from {peer}",
        String::from_utf8_lossy(&reply[..bytes])
    ))
}

/// A socket of the address's own family.
fn udp_socket(address: &str) -> io::Result<UdpSocket> {
    let version_6 = address
        .to_socket_addrs()?
        .next()
        .is_some_and(|address| address.is_ipv6());
    UdpSocket::bind(if version_6 { "[::]:0" } else { "0.0.0.0:0" })
}

pub(crate) fn lookup(name: &str) -> Answer {
    let mut addresses: Vec<String> = (name, 0)
        .to_socket_addrs()?
        .map(|address| address.ip().to_string())
        .collect();
    addresses.sort();
    addresses.dedup();
    Ok(format!("{addresses:?}"))
}
