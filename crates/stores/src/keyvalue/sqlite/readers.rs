//! Threads that read: each with a connection of its own, beside one another and beside the writer.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::open;
use super::rows::Trouble;
use super::state::{State, failed};
use crate::keyvalue::Error;

/// Questions that wait at most; later ones wait outside.
const QUEUE_MAX: usize = 256;

type Question = Box<dyn FnOnce(Result<&Connection, Error>) + Send>;

#[derive(Debug, Clone)]
pub(super) struct Readers {
    questions: mpsc::Sender<Question>,
}

impl Readers {
    pub(super) fn start(file: PathBuf, state: &Arc<State>) -> std::io::Result<Self> {
        let (questions, queue) = mpsc::channel(QUEUE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let threads = thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
        for _ in 0..threads {
            let (queue, file, state) = (Arc::clone(&queue), file.clone(), Arc::clone(state));
            thread::Builder::new()
                .name("weft-store-read".to_owned())
                .spawn(move || answer(&queue, &file, &state))?;
        }
        Ok(Self { questions })
    }

    /// Asks the database, on another thread.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        state: &Arc<State>,
        question: impl FnOnce(&Connection, &State) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let shared = Arc::clone(state);
        let question: Question = Box::new(move |connection| {
            let found = connection.and_then(|connection| {
                question(connection, &shared).map_err(|trouble| shared.trouble(trouble))
            });
            // Whoever asked may have gone.
            drop(answer.send(found));
        });
        let gone = || failed(&state.place, Ended);
        self.questions.send(question).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// The threads of a store are gone.
#[derive(Debug, thiserror::Error)]
#[error("its threads have ended")]
pub(super) struct Ended;

fn answer(queue: &Mutex<mpsc::Receiver<Question>>, file: &std::path::Path, state: &State) {
    let mut connection = None;
    loop {
        // The others wait for the lock instead of the queue; there is no difference.
        let Some(question) = queue.lock().blocking_recv() else {
            return;
        };
        if connection.is_none() {
            match open::connect(file, open::Use::Reading) {
                Ok(opened) => connection = Some(opened),
                Err(trouble) => {
                    question(Err(state.trouble(trouble)));
                    continue;
                }
            }
        }
        if let Some(connection) = &connection {
            question(Ok(connection));
        }
    }
}
