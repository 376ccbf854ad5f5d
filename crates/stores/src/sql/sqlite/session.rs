//! What a component holds: a connection, and the transaction that it has begun there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, mpsc, oneshot};

use super::Shared;
use super::handle::{Handle, Watch};
use super::statement::{self, Ask, Done, Step, Trouble};
use super::turn::MayWrite;
use crate::sql::{Answer, Column, Connection, Error, Rows, Value, check_statement};

/// Batches of rows that wait for whoever reads them.
const WAITING: usize = 2;

/// A connection with the rights of its side. Clones are the same connection.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

pub(super) struct Inner {
    shared: Arc<Shared>,
    idle: Arc<Mutex<Vec<Handle>>>,
    watch: Arc<Watch>,
    /// None only while it is dropped.
    state: Arc<tokio::sync::Mutex<State>>,
    rowid: AtomicI64,
    changes: AtomicU64,
    _room: OwnedSemaphorePermit,
}

/// What one statement at a time works with.
pub(super) struct State {
    pub(super) handle: Option<Handle>,
    pub(super) may_write: Option<MayWrite>,
    /// Since when nothing was done in the transaction that is under way.
    idle_since: Option<Instant>,
    is_rolled_back: bool,
}

/// All rows of a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    /// What each row has.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// Rows that were changed.
    pub changes: u64,
}

/// Rows of a statement that is under way.
pub struct Stream {
    rows: mpsc::Receiver<Vec<Vec<Value>>>,
    /// How the statement ended. None once that was told.
    end: Option<oneshot::Receiver<Result<(), Error>>>,
    shared: Arc<Shared>,
    watch: Arc<Watch>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Inner")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Stream")
            .field("is_over", &self.end.is_none())
            .finish_non_exhaustive()
    }
}

/// Has a statement end where nobody waits for it any more.
struct Waiting(Option<Arc<Watch>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.give_up();
        }
    }
}

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        idle: Arc<Mutex<Vec<Handle>>>,
        handle: Handle,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Self(Arc::new(Inner {
            shared,
            idle,
            watch: Arc::clone(&handle.watch),
            state: Arc::new(tokio::sync::Mutex::new(State {
                handle: Some(handle),
                may_write: None,
                idle_since: None,
                is_rolled_back: false,
            })),
            rowid: AtomicI64::new(0),
            changes: AtomicU64::new(0),
            _room: room,
        }))
    }

    /// The number of the last row that was added over this connection; 0 where none was.
    #[must_use]
    pub fn last_insert_rowid(&self) -> i64 {
        self.0.rowid.load(Ordering::Relaxed)
    }

    /// Rows that the last statement that changes rows has changed; 0 where there was none.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Relaxed)
    }

    /// Runs a statement, and gathers its rows.
    ///
    /// # Errors
    /// See [`Error`]; the rows take more than [`crate::sql::RESULT_BYTES_MAX`].
    pub async fn gather(&self, statement: String, parameters: Vec<Value>) -> Result<Gathered, Error> {
        check_statement(&statement)?;
        let ask = Ask {
            statement,
            parameters,
        };
        self.run(ask, statement::gather).await
    }

    /// Runs a statement, and hands its rows out as they come.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stream(
        &self,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<(Vec<Column>, Stream), Error> {
        check_statement(&statement)?;
        let deadline = self.deadline();
        let mut ask = Ask {
            statement,
            parameters,
        };
        let mut state = self.lock(deadline).await?;
        loop {
            let (columns, begun) = oneshot::channel();
            let (rows, waiting) = mpsc::channel(WAITING);
            let (end, ending) = oneshot::channel();
            let inner = Arc::clone(&self.0);
            let mut held = state;
            inner.watch.until(deadline);
            let runtime = tokio::runtime::Handle::current();
            let job = tokio::task::spawn_blocking(move || {
                let mut sink = statement::Sink {
                    columns: Some(columns),
                    rows,
                    runtime,
                    deadline,
                };
                let ended = statement::stream(&mut held, &ask, &inner.shared, &mut sink);
                inner.settle(&mut held, ended.as_ref().ok());
                let ended = ended.map(drop);
                // Whoever reads the rows may have gone.
                drop(end.send(match &ended {
                    Err(Step::Trouble(error)) => Err(error.clone()),
                    Ok(()) | Err(Step::NeedsTurn) => Ok(()),
                }));
                (held, ask, ended, inner)
            });
            let mut waits = Waiting(Some(Arc::clone(&self.0.watch)));
            // The sender is dropped with what ended before there were columns.
            let stream = |end| Stream {
                rows: waiting,
                end,
                shared: Arc::clone(&self.0.shared),
                watch: Arc::clone(&self.0.watch),
            };
            if let Ok(columns) = begun.await {
                waits.0 = None;
                return Ok((columns, stream(Some(ending))));
            }
            let (held, same, ended, _) = job.await.map_err(|_| statement::ended(&self.0.shared.place))?;
            waits.0 = None;
            match ended {
                Err(Step::Trouble(error)) => return self.0.shared.note(Err(error)),
                Err(Step::NeedsTurn) => {}
                // It has no columns, and so no rows: its end was its beginning.
                Ok(()) => return Ok((Vec::new(), stream(None))),
            }
            (state, ask) = (held, same);
            state.may_write = Some(self.0.shared.turn.take(deadline).await?);
        }
    }

    /// Runs statements in one transaction: all of them, or none.
    ///
    /// # Errors
    /// See [`Error`]; a transaction is under way, or one of them would end it.
    pub async fn batch(&self, statements: Vec<(String, Vec<Value>)>) -> Result<Vec<u64>, Error> {
        let mut asks = Vec::with_capacity(statements.len());
        for (statement, parameters) in statements {
            check_statement(&statement)?;
            asks.push(Ask {
                statement,
                parameters,
            });
        }
        self.run(asks, |state, asks, shared| statement::batch(state, asks, shared))
            .await
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.0.shared.options.timeout
    }

    async fn lock(&self, deadline: Instant) -> Result<OwnedMutexGuard<State>, Error> {
        self.0.shared.whole()?;
        let state = Arc::clone(&self.0.state).lock_owned();
        let Ok(mut state) = tokio::time::timeout_at(deadline.into(), state).await else {
            return Err(Error::Locked {
                what: "another statement of this connection is under way".to_owned(),
            });
        };
        if std::mem::take(&mut state.is_rolled_back) {
            return Err(Error::RolledBack);
        }
        Ok(state)
    }

    /// Does something on a thread for blocking work: at once, or once it may write where it has to.
    async fn run<A: Send + 'static, T: Send + 'static>(
        &self,
        mut ask: A,
        work: impl Fn(&mut State, &A, &Shared) -> Result<Done<T>, Trouble> + Copy + Send + 'static,
    ) -> Result<T, Error> {
        let deadline = self.deadline();
        let mut state = self.lock(deadline).await?;
        loop {
            let inner = Arc::clone(&self.0);
            let mut held = state;
            let mut waits = Waiting(Some(Arc::clone(&self.0.watch)));
            inner.watch.until(deadline);
            let job = tokio::task::spawn_blocking(move || {
                let ended = statement::told(work(&mut held, &ask, &inner.shared), &inner.shared);
                inner.settle(&mut held, ended.as_ref().ok());
                (held, ask, ended, inner)
            });
            let ended = job.await;
            waits.0 = None;
            let (held, same, ended, _) = ended.map_err(|_| statement::ended(&self.0.shared.place))?;
            match ended {
                Ok(done) => return Ok(done.answer),
                Err(Step::Trouble(error)) => return self.0.shared.note(Err(error)),
                Err(Step::NeedsTurn) => {}
            }
            (state, ask) = (held, same);
            state.may_write = Some(self.0.shared.turn.take(deadline).await?);
        }
    }
}

impl Inner {
    /// Notes what is under way after a statement.
    fn settle<T>(self: &Arc<Self>, state: &mut State, done: Option<&Done<T>>) {
        if let Some(done) = done {
            if let Some(rowid) = done.rowid {
                self.rowid.store(rowid, Ordering::Relaxed);
            }
            if let Some(changes) = done.changes {
                self.changes.store(changes, Ordering::Relaxed);
            }
        }
        let is_open = state
            .handle
            .as_ref()
            .is_some_and(|handle| !handle.connection.is_autocommit());
        if is_open {
            if state.idle_since.is_none() {
                self.shared.turn.opened(self);
            }
            state.idle_since = Some(Instant::now());
        } else {
            state.may_write = None;
            if state.idle_since.take().is_some() {
                self.shared.turn.closed(self);
            }
        }
    }

    /// Rolls back the transaction where nothing was done in it for so long, or its time is over in any case. Says
    /// whether there is nothing left to roll back.
    pub(super) fn roll_back(self: &Arc<Self>, idle_max: Duration, is_over: bool) -> bool {
        // Whoever has it does something.
        let Ok(mut state) = Arc::clone(&self.state).try_lock_owned() else {
            return false;
        };
        match state.idle_since {
            None => return true,
            Some(since) if !is_over && since.elapsed() < idle_max => return false,
            Some(_) => {}
        }
        state.idle_since = None;
        state.is_rolled_back = true;
        let watch = Arc::clone(&self.watch);
        tokio::task::spawn_blocking(move || {
            end(&watch, &mut state);
        });
        true
    }
}

/// Rolls back whatever is under way.
fn end(watch: &Watch, state: &mut State) {
    // What is rolled back was never promised to anybody, and needs no answer; it may take as long as it has to.
    watch.until(Instant::now() + Duration::from_secs(3600));
    if let Some(handle) = &state.handle
        && !handle.connection.is_autocommit()
        && handle.connection.execute_batch("ROLLBACK").is_err()
    {
        // Closing it ends the transaction as well.
        state.handle = None;
    }
    state.may_write = None;
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody else can have it: whoever works with it holds what is dropped here.
        let Ok(mut state) = Arc::clone(&self.state).try_lock_owned() else {
            return;
        };
        let (idle, watch) = (Arc::clone(&self.idle), Arc::clone(&self.watch));
        let is_open = state.idle_since.is_some();
        let mut give_back = move || {
            watch.close_transaction(false);
            if is_open {
                end(&watch, &mut state);
            }
            if let Some(handle) = state.handle.take()
                && handle.is_clean()
            {
                idle.lock().push(handle);
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if is_open => drop(runtime.spawn_blocking(give_back)),
            _ => give_back(),
        }
    }
}

impl Stream {
    /// The next rows; none after the last.
    ///
    /// # Errors
    /// See [`Error`]. There are no rows behind one.
    pub async fn next(&mut self) -> Result<Option<Vec<Vec<Value>>>, Error> {
        if let Some(rows) = self.rows.recv().await {
            return Ok(Some(rows));
        }
        let Some(end) = self.end.take() else {
            return Ok(None);
        };
        let ended = end
            .await
            .unwrap_or_else(|_| Err(statement::ended(&self.shared.place)));
        self.shared.note(ended)?;
        Ok(None)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.end.is_some() {
            self.watch.give_up();
        }
    }
}

impl Rows for Stream {
    fn next(&mut self) -> Answer<'_, Option<Vec<Vec<Value>>>> {
        Box::pin(Stream::next(self))
    }
}

impl Connection for Session {
    fn query(&self, statement: String, parameters: Vec<Value>) -> Answer<'_, (Vec<Column>, Box<dyn Rows>)> {
        Box::pin(async move {
            let (columns, rows) = self.stream(statement, parameters).await?;
            Ok((columns, Box::new(rows) as Box<dyn Rows>))
        })
    }

    fn execute(&self, statement: String, parameters: Vec<Value>) -> Answer<'_, u64> {
        Box::pin(async move {
            check_statement(&statement)?;
            let ask = Ask {
                statement,
                parameters,
            };
            self.run(ask, statement::execute).await
        })
    }

    fn batch(&self, statements: Vec<(String, Vec<Value>)>) -> Answer<'_, Vec<u64>> {
        Box::pin(Session::batch(self, statements))
    }
}
