//! What a stream or a future holds on its way from one cell to another: a bounded queue with two ends.
//!
//! The end that takes in what the writer's guest hands over and the end that the reader's guest takes from live in two
//! stores, and are polled by two event loops. Each wakes the other.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::fate::Fate;
use super::typed::Element;

/// Bytes that a pipe holds; a value that is longer than that goes alone.
const BYTES_MAX: usize = 64 << 10;
/// Values that a pipe holds.
const VALUES_MAX: usize = 64;
/// Values without content that a pipe holds.
const UNITS_MAX: usize = 1 << 10;

/// What goes through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Bytes, which the engine copies from memory to memory.
    Bytes,
    /// Values of any other type.
    Values,
    /// Nothing but that there is one.
    Units,
}

/// Whether there is one value or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Stream,
    Future,
}

/// Why the store of a writer ends, noted before it does: until then a writer that is gone has let go by itself.
pub(crate) type Ending = Arc<OnceLock<Fate>>;

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) flow: Flow,
    pub(super) content: Content,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    values: VecDeque<Element>,
    units: usize,
    /// Bytes of the values that wait.
    held: usize,
    writer: Writer,
    is_unread: bool,
    waits_for_room: Option<Waker>,
    waits_for_more: Option<Waker>,
}

#[derive(Debug, Default)]
enum Writer {
    #[default]
    Open,
    Closed,
    Failed(Fate),
}

/// The end of a pipe that is read. Wherever it is let go of, on its way into a store or inside of one, the writer hears
/// of it.
#[derive(Debug)]
pub(super) struct Readable(Arc<Pipe>);

impl Readable {
    pub(super) fn downgrade(&self) -> Weak<Pipe> {
        Arc::downgrade(&self.0)
    }
}

impl std::ops::Deref for Readable {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        &self.0
    }
}

impl Drop for Readable {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// How a pipe ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// The writer let go of it.
    Closed,
    /// The writer's cell failed.
    Failed(Fate),
}

impl Pipe {
    /// Both ends of a new one: first the one that is written.
    pub(super) fn new(flow: Flow, content: Content) -> (Arc<Self>, Readable) {
        let pipe = Arc::new(Self {
            flow,
            content,
            state: Mutex::default(),
        });
        (pipe.clone(), Readable(pipe))
    }

    /// How much may be put in now; nothing where nobody reads any more.
    pub(super) fn room(&self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let mut state = self.state.lock();
        if state.is_unread {
            return Poll::Ready(None);
        }
        let room = state.room(self.content);
        if room == 0 {
            state.waits_for_room = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(room))
    }

    pub(super) fn put_bytes(&self, bytes: &[u8]) {
        self.put(|state| state.bytes.extend(bytes));
    }

    pub(super) fn put_values(&self, values: Vec<Element>) {
        self.put(|state| {
            state.held += values.iter().map(Element::len).sum::<usize>();
            state.values.extend(values);
        });
    }

    pub(super) fn put_units(&self, count: usize) {
        self.put(|state| state.units += count);
    }

    /// Whether something can be taken out; how it ended where nothing will come any more.
    pub(super) fn more(&self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let mut state = self.state.lock();
        if !(state.bytes.is_empty() && state.values.is_empty() && state.units == 0) {
            return Poll::Ready(Ok(()));
        }
        match &state.writer {
            Writer::Closed => Poll::Ready(Err(End::Closed)),
            Writer::Failed(fate) => Poll::Ready(Err(End::Failed(fate.clone()))),
            Writer::Open => {
                state.waits_for_more = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Fills the beginning of a buffer, and says how much of it.
    pub(super) fn take_bytes(&self, into: &mut [u8]) -> usize {
        self.take(|state| {
            let (first, second) = state.bytes.as_slices();
            let from_first = first.len().min(into.len());
            let from_second = second.len().min(into.len() - from_first);
            let copy = |into: &mut [u8], from: &[u8]| into.copy_from_slice(from);
            let (start, rest) = into.split_at_mut(from_first);
            copy(start, first.get(..from_first).unwrap_or_default());
            copy(
                rest.get_mut(..from_second).unwrap_or_default(),
                second.get(..from_second).unwrap_or_default(),
            );
            state.bytes.drain(..from_first + from_second);
            from_first + from_second
        })
    }

    pub(super) fn take_values(&self, max: usize) -> Vec<Element> {
        self.take(|state| {
            let count = state.values.len().min(max);
            let taken: Vec<_> = state.values.drain(..count).collect();
            state.held -= taken.iter().map(Element::len).sum::<usize>();
            taken
        })
    }

    pub(super) fn take_units(&self, max: usize) -> usize {
        self.take(|state| {
            let count = state.units.min(max);
            state.units -= count;
            count
        })
    }

    /// The writer is done: by itself, or because its store ends.
    pub(super) fn close(&self, ending: &Ending) {
        let waiting = {
            let mut state = self.state.lock();
            state.writer = match ending.get() {
                Some(fate) => Writer::Failed(fate.clone()),
                None => Writer::Closed,
            };
            state.waits_for_more.take()
        };
        wake(waiting);
    }

    /// Nobody reads any more.
    fn leave(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.is_unread = true;
            state.bytes = VecDeque::new();
            state.values = VecDeque::new();
            state.waits_for_room.take()
        };
        wake(waiting);
    }

    fn put(&self, put: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.state.lock();
            if state.is_unread {
                return;
            }
            put(&mut state);
            state.waits_for_more.take()
        };
        wake(waiting);
    }

    fn take<T>(&self, take: impl FnOnce(&mut State) -> T) -> T {
        let (taken, waiting) = {
            let mut state = self.state.lock();
            (take(&mut state), state.waits_for_room.take())
        };
        wake(waiting);
        taken
    }
}

impl State {
    fn room(&self, content: Content) -> usize {
        match content {
            Content::Bytes => BYTES_MAX.saturating_sub(self.bytes.len()),
            Content::Values if self.held >= BYTES_MAX => 0,
            Content::Values => VALUES_MAX.saturating_sub(self.values.len()),
            Content::Units => UNITS_MAX.saturating_sub(self.units),
        }
    }
}

/// Outside of the lock: whoever wakes may be polled at once.
fn wake(waiting: Option<Waker>) {
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    struct Noted(std::sync::atomic::AtomicUsize);

    impl Wake for Noted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }

    fn noted() -> (Arc<Noted>, Waker) {
        let noted = Arc::new(Noted(0.into()));
        (noted.clone(), Waker::from(noted))
    }

    #[test]
    fn a_full_pipe_waits_and_is_woken_by_its_reader() {
        let (pipe, reader) = Pipe::new(Flow::Stream, Content::Bytes);
        let (woken, waker) = noted();
        let mut cx = Context::from_waker(&waker);
        assert_eq!(pipe.room(&mut cx), Poll::Ready(Some(BYTES_MAX)));
        pipe.put_bytes(&vec![7; BYTES_MAX]);
        assert!(pipe.room(&mut cx).is_pending());
        let mut into = [0; 10];
        assert_eq!(reader.take_bytes(&mut into), 10);
        assert_eq!(into, [7; 10]);
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::SeqCst), 1);
        assert_eq!(pipe.room(&mut cx), Poll::Ready(Some(10)));
    }

    #[test]
    fn what_was_put_in_comes_out_before_the_end() {
        let (pipe, reader) = Pipe::new(Flow::Stream, Content::Units);
        let (_, waker) = noted();
        let mut cx = Context::from_waker(&waker);
        pipe.put_units(3);
        pipe.close(&Ending::default());
        assert!(matches!(reader.more(&mut cx), Poll::Ready(Ok(()))));
        assert_eq!(reader.take_units(2), 2);
        assert_eq!(reader.take_units(2), 1);
        assert!(matches!(reader.more(&mut cx), Poll::Ready(Err(End::Closed))));
    }

    #[test]
    fn a_writer_whose_cell_failed_has_not_just_ended() {
        let (pipe, reader) = Pipe::new(Flow::Stream, Content::Bytes);
        let ending = Ending::default();
        ending.set(Fate::Ended).unwrap();
        pipe.close(&ending);
        let (_, waker) = noted();
        let more = reader.more(&mut Context::from_waker(&waker));
        assert!(matches!(more, Poll::Ready(Err(End::Failed(Fate::Ended)))));
    }

    #[test]
    fn a_reader_that_leaves_wakes_the_writer_and_holds_nothing() {
        let (pipe, reader) = Pipe::new(Flow::Stream, Content::Bytes);
        pipe.put_bytes(&vec![7; BYTES_MAX]);
        let (woken, waker) = noted();
        let mut cx = Context::from_waker(&waker);
        assert!(pipe.room(&mut cx).is_pending());
        drop(reader);
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::SeqCst), 1);
        assert_eq!(pipe.room(&mut cx), Poll::Ready(None));
        pipe.put_bytes(&[1]);
        assert_eq!(pipe.take_bytes(&mut [0; 4]), 0);
    }
}
