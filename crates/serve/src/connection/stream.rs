//! What bytes come over: a socket of the network or of the machine, encrypted or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket that belongs to no thread yet.
#[derive(Debug)]
pub(crate) enum LooseSocket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A socket, perhaps with TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    Encrypted(Box<TlsStream<Socket>>),
}

/// Something that finds out by itself that the other end is gone. Reading does not tell: it says forever that the other
/// end has closed its side.
pub(crate) trait Reset {
    /// Whether the other end has refused what was sent to it.
    fn was_reset(&self) -> bool;
}

impl Reset for Stream {
    fn was_reset(&self) -> bool {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Encrypted(stream) => stream.get_ref().0,
        };
        let error = match socket {
            Socket::Tcp(stream) => stream.take_error(),
            Socket::Unix(stream) => stream.take_error(),
        };
        !matches!(error, Ok(None))
    }
}

impl Socket {
    /// Takes it from the thread that it belongs to.
    pub(crate) fn loosen(self) -> io::Result<LooseSocket> {
        Ok(match self {
            Self::Tcp(stream) => LooseSocket::Tcp(stream.into_std()?),
            Self::Unix(stream) => LooseSocket::Unix(stream.into_std()?),
        })
    }

    /// Makes it belong to this thread.
    pub(crate) fn adopt(socket: LooseSocket) -> io::Result<Self> {
        Ok(match socket {
            LooseSocket::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream)?),
            LooseSocket::Unix(stream) => Self::Unix(UnixStream::from_std(stream)?),
        })
    }

    /// Makes the end of the connection an abortion, so that nobody takes what was sent for the whole.
    fn abort(&self) {
        if let Self::Tcp(stream) = self {
            // A socket that cannot be told so is closed like any other.
            let _ = stream.set_zero_linger();
        }
    }
}

impl Stream {
    pub(crate) fn abort(&self) {
        match self {
            Self::Plain(socket) => socket.abort(),
            Self::Encrypted(stream) => stream.get_ref().0.abort(),
        }
    }
}

/// Hands a call on to whatever is inside.
macro_rules! pass_on {
    ($self:ident, $kind:ident { $($variant:ident),+ }, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            $($kind::$variant($stream) => { let $stream = Pin::new($stream); $call })+
        }
    };
}

macro_rules! is_stream {
    ($kind:ident { $($variant:ident),+ }) => {
        impl AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                pass_on!(self, $kind { $($variant),+ }, stream => stream.poll_read(context, buffer))
            }
        }

        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                pass_on!(self, $kind { $($variant),+ }, stream => stream.poll_write(context, bytes))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                pass_on!(self, $kind { $($variant),+ }, stream => stream.poll_write_vectored(context, slices))
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $($kind::$variant(stream) => stream.is_write_vectored(),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                pass_on!(self, $kind { $($variant),+ }, stream => stream.poll_flush(context))
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                pass_on!(self, $kind { $($variant),+ }, stream => stream.poll_shutdown(context))
            }
        }
    };
}

is_stream!(Socket { Tcp, Unix });
is_stream!(Stream { Plain, Encrypted });
