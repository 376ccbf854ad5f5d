//! A clock for one thread that wakes within microseconds, where the runtime's own wakes within a millisecond.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Whoever waits on one thread. Wakes nobody unless [`Clock::run`] runs beside them.
#[derive(Debug)]
pub(super) struct Clock {
    timer: AsyncFd<OwnedFd>,
    /// By time, and by the number of the one that waits.
    waiting: RefCell<BTreeMap<(Instant, usize), Waker>>,
}

impl Clock {
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        #[expect(
            deprecated,
            reason = "unsound for what can change its descriptor, which `OwnedFd` cannot; the new way is `unsafe`"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self {
            timer,
            waiting: RefCell::default(),
        })
    }

    /// Waits until a time. No two may wait under one number.
    pub(super) async fn until(&self, due: Instant, number: usize) -> io::Result<()> {
        poll_fn(|context| {
            let now = Instant::now();
            if now >= due {
                return Poll::Ready(Ok(()));
            }
            let mut waiting = self.waiting.borrow_mut();
            waiting.insert((due, number), context.waker().clone());
            let is_first = waiting.keys().next() == Some(&(due, number));
            if is_first && let Err(error) = self.set(due - now) {
                return Poll::Ready(Err(error));
            }
            Poll::Pending
        })
        .await
    }

    /// Wakes whoever is due, for as long as it is polled.
    pub(super) async fn run(&self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut fired = [0; 8];
            match rustix::io::read(self.timer.get_ref(), &mut fired) {
                Ok(_) | Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
            self.wake()?;
        }
    }

    fn wake(&self) -> io::Result<()> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(first) = waiting.first_entry() {
            let (due, _) = *first.key();
            let now = Instant::now();
            if now < due {
                return self.set(due - now);
            }
            first.remove().wake();
        }
        Ok(())
    }

    fn set(&self, wait: Duration) -> io::Result<()> {
        let timer = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(wait).map_err(io::Error::other)?,
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Clock;

    #[test]
    fn whoever_is_due_first_is_woken_first_and_nobody_early() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let clock = Clock::new().unwrap();
            let start = Instant::now();
            let wait = async |number: usize, micros: u64| {
                let due = start + Duration::from_micros(micros);
                clock.until(due, number).await.unwrap();
                assert!(Instant::now() >= due);
                Instant::now()
            };
            let all = async { tokio::join!(wait(0, 3000), wait(1, 1500), wait(2, 1500)) };
            tokio::select! {
                _ = clock.run() => unreachable!("a clock ends by itself"),
                (late, early, too) = all => assert!(early < late && too < late),
            }
        });
    }
}
