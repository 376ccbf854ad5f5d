//! The guest's standard output and error: written through at once, counted, and cut at the limit.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::stop::{LimitHit, Stop, StopReason};

/// Bytes that both streams of a run may still write together.
#[derive(Debug)]
pub(crate) struct OutputAllowance {
    left: AtomicU64,
    max: Option<u64>,
    stop: Stop,
}

impl OutputAllowance {
    pub(crate) fn new(max: Option<u64>, stop: Stop) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicU64::new(max.unwrap_or(u64::MAX)),
            max,
            stop,
        })
    }

    /// Takes up to `wanted` bytes; an error once nothing is left.
    fn take(&self, wanted: usize) -> Result<usize, LimitHit> {
        let mut granted = 0;
        // The two streams may be written from different tasks; neither may overdraw.
        let _ = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                granted = left.min(wanted as u64);
                Some(left - granted)
            });
        if granted == 0 && wanted > 0 {
            let hit = LimitHit::Output(self.max.unwrap_or(u64::MAX));
            self.stop.request(StopReason::Limit(hit.clone()));
            return Err(hit);
        }
        Ok(granted as usize)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Channel {
    Output,
    Error,
}

/// One of the two streams.
#[derive(Debug, Clone)]
pub(crate) struct CountedOutput {
    pub(crate) channel: Channel,
    pub(crate) allowance: Arc<OutputAllowance>,
}

impl CountedOutput {
    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        let granted = self.allowance.take(bytes.len()).map_err(io::Error::other)?;
        write_all(self.channel, bytes.get(..granted).unwrap_or(bytes))?;
        Ok(granted)
    }
}

/// Writes past the standard library's line buffer: what a guest wrote is with the reader when its call
/// returns, also when the process is ended right after.
fn write_all(channel: Channel, mut bytes: &[u8]) -> io::Result<()> {
    let (out, err) = (io::stdout(), io::stderr());
    let fd: BorrowedFd<'_> = match channel {
        Channel::Output => out.as_fd(),
        Channel::Error => err.as_fd(),
    };
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => wait_until_writable(fd)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Somebody else may have made the stream non-blocking: terminals and pipes are shared between processes.
fn wait_until_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl IsTerminal for CountedOutput {
    fn is_terminal(&self) -> bool {
        match self.channel {
            Channel::Output => io::IsTerminal::is_terminal(&io::stdout()),
            Channel::Error => io::IsTerminal::is_terminal(&io::stderr()),
        }
    }
}

impl StdoutStream for CountedOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for CountedOutput {
    fn write(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            let granted = self
                .allowance
                .take(bytes.len())
                .map_err(|hit| StreamError::Trap(hit.into()))?;
            let part = bytes.split_to(granted);
            write_all(self.channel, &part).map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => StreamError::Closed,
                _ => StreamError::LastOperationFailed(error.into()),
            })?;
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for CountedOutput {
    async fn ready(&mut self) {}
}

impl AsyncWrite for CountedOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_some(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
