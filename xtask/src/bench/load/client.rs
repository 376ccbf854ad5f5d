//! A connection of HTTP/1.1 as a client has it: requests are bytes made beforehand, and of a response is read what tells
//! whether it came whole.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HEADERS_MAX: usize = 32;

/// A connection that is kept between requests.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A response that came whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Whether another request may follow.
    pub(super) is_kept: bool,
}

/// What a head says of the rest.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    head_bytes: usize,
    length: Length,
    is_kept: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunked,
}

/// The bytes of a request for a path.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: example.com\r\n\r\n").into_bytes()
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// Whether the server is known to have closed it, or to have sent what nobody asked for.
    pub(super) fn is_closed(&self) -> bool {
        let asked = self.stream.try_read(&mut [0]);
        !asked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads a response to its end.
    pub(super) async fn response(&mut self) -> io::Result<Response> {
        let head = loop {
            if let Some(head) = parse(&self.read)? {
                break head;
            }
            self.more().await?;
        };
        self.read.drain(..head.head_bytes);
        let body = match head.length {
            Length::Bytes(length) => self.take(length).await?,
            Length::Chunked => self.chunks().await?,
        };
        Ok(Response {
            status: head.status,
            body,
            is_kept: head.is_kept,
        })
    }

    /// Sends a request and reads its response.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<Response> {
        self.send(request).await?;
        self.response().await
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            self.more().await?;
        }
        Ok(self.read.drain(..length).collect())
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = self.line().await?;
            let length =
                usize::from_str_radix(&length, 16).map_err(|_| unreadable("a chunk without a length"))?;
            body.extend(self.take(length).await?);
            if !self.line().await?.is_empty() {
                return Err(unreadable("a chunk without an end, or trailers"));
            }
            if length == 0 {
                return Ok(body);
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).map_err(|_| unreadable("a line that is no text"));
            }
            self.more().await?;
        }
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads a head, where it is whole.
fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = response
        .parse(bytes)
        .map_err(|_| unreadable("a head that is none"))?
    else {
        return Ok(None);
    };
    let (mut length, mut is_kept) = (None, true);
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default();
        if header.name.eq_ignore_ascii_case("content-length") {
            let bytes = value.parse().map_err(|_| unreadable("a length that is none"))?;
            length = Some(Length::Bytes(bytes));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            length = Some(Length::Chunked);
        } else if header.name.eq_ignore_ascii_case("connection") {
            is_kept = !value.eq_ignore_ascii_case("close");
        }
    }
    Ok(Some(Head {
        status: response.code.unwrap_or_default(),
        head_bytes,
        length: length.ok_or_else(|| unreadable("a response without a length"))?,
        is_kept,
    }))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::{Connection, Response, get};

    /// What a client makes of the bytes that a server sends before it closes.
    fn answered(bytes: &'static [u8]) -> std::io::Result<Response> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let mut connection = Connection::open(listener.local_addr()?).await?;
            let (mut server, _) = listener.accept().await?;
            server.write_all(bytes).await?;
            drop(server);
            connection.ask(&get("/")).await
        })
    }

    fn whole(body: &str, is_kept: bool) -> Response {
        Response {
            status: 200,
            body: body.as_bytes().to_vec(),
            is_kept,
        }
    }

    #[test]
    fn a_response_with_a_length_is_read_to_its_end() {
        let response = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
        assert_eq!(response, whole("hello", true));
        let last = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!(last, whole("", false));
    }

    #[test]
    fn chunks_are_put_together() {
        let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nb\r\n world, all\r\n0\r\n\r\n";
        assert_eq!(answered(chunks).unwrap(), whole("hello world, all", true));
    }

    #[test]
    fn a_part_of_a_response_is_none() {
        for part in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\ncontent-le",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nwithout a length",
        ] {
            assert!(answered(part).is_err(), "{}", part.escape_ascii());
        }
    }
}
