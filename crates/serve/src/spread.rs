//! Connections, spread evenly over the threads.
//!
//! The system chooses a thread for each connection by its addresses: of 32 connections one of two threads has 20 or more
//! every fourth time, and a connection stays where it is for as long as it lives. So a thread that has more than another
//! hands on what it accepts, before the first byte is read. Between threads that have equally many nothing is handed
//! on, and so none of those connections that come one by one.
//!
//! What always holds: a connection that was accepted is served by somebody, also when the server is told to end
//! meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::connection::LooseSocket;

/// A connection on its way to another thread.
#[derive(Debug)]
pub(crate) struct Handed {
    /// The number of the listener that it came in by.
    pub(crate) listener: usize,
    pub(crate) socket: LooseSocket,
    pub(crate) client: Option<SocketAddr>,
    /// Its right to be there, which bounds how many can be on their way.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// What the threads know of one another.
#[derive(Debug)]
pub(crate) struct Desks(Vec<Desk>);

#[derive(Debug)]
struct Desk {
    /// Connections that the thread has, or that are on their way to it.
    open: AtomicUsize,
    mailbox: UnboundedSender<Handed>,
}

impl Desks {
    /// A desk for each thread, and what each is handed.
    pub(crate) fn new(threads: usize) -> (Self, Vec<UnboundedReceiver<Handed>>) {
        let (desks, received) = (0..threads)
            .map(|_| {
                let (mailbox, received) = unbounded_channel();
                let open = AtomicUsize::new(0);
                (Desk { open, mailbox }, received)
            })
            .unzip();
        (Self(desks), received)
    }

    /// The thread that a connection should go to which another accepted; none where it may stay.
    pub(crate) fn better(&self, own: usize) -> Option<usize> {
        let open = |desk: &Desk| desk.open.load(Ordering::Relaxed);
        let have = open(self.0.get(own)?);
        let (fewest, other) = (0..).zip(&self.0).map(|(n, desk)| (open(desk), n)).min()?;
        // Among many a few more or less make no difference, and handing on has its price.
        (have > fewest + fewest / 8).then_some(other)
    }

    /// Counts a connection for a thread.
    pub(crate) fn add(&self, thread: usize) {
        if let Some(desk) = self.0.get(thread) {
            desk.open.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts one that has ended.
    pub(crate) fn remove(&self, thread: usize) {
        if let Some(desk) = self.0.get(thread) {
            desk.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Hands a connection on, which is counted for the other thread from now on.
    ///
    /// # Errors
    /// Gives it back when the other takes nothing any more.
    pub(crate) fn hand(&self, thread: usize, handed: Handed) -> Result<(), Handed> {
        let Some(desk) = self.0.get(thread) else {
            return Err(handed);
        };
        self.add(thread);
        desk.mailbox.send(handed).map_err(|refused| {
            self.remove(thread);
            refused.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_with_more_connections_hands_on_and_one_with_as_many_does_not() {
        let (desks, _received) = Desks::new(3);
        assert_eq!(desks.better(0), None);
        desks.add(0);
        assert_eq!(desks.better(0), Some(1));
        desks.add(1);
        assert_eq!((desks.better(0), desks.better(1)), (Some(2), Some(2)));
        desks.add(2);
        assert_eq!(desks.better(2), None);
        desks.remove(0);
        assert_eq!(desks.better(2), Some(0));
    }

    #[test]
    fn among_many_a_few_more_stay() {
        let (desks, _received) = Desks::new(2);
        (0..100).for_each(|_| desks.add(1));
        (0..112).for_each(|_| desks.add(0));
        assert_eq!(desks.better(0), None);
        desks.add(0);
        assert_eq!(desks.better(0), Some(1));
    }

    #[test]
    fn who_takes_nothing_any_more_is_not_counted_for_what_it_refuses() {
        let (desks, mut received) = Desks::new(2);
        desks.add(0);
        drop(received.pop());
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let handed = Handed {
            listener: 0,
            socket: LooseSocket::Unix(ours),
            client: None,
            permit: None,
        };
        assert!(desks.hand(1, handed).is_err());
        assert_eq!(desks.better(0), Some(1));
    }
}
