//! The components of a folder, each of which answers below its own name: `/NAME` and everything under it.
//!
//! A function is loaded when it is first asked for, and let go when others are asked for more. So a folder may hold
//! far more of them than memory does, and adding a file is all it takes to serve it. What each may do is the
//! [`Source`]'s to say.
//!
//! What always holds: a thread that serves never waits for a compiler; of functions that are not ready to run, only
//! some are made ready at a time, and one that cannot be is not tried again.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, Semaphore};
use weft_app::Name;
use weft_runtime::entry::http::HttpProgram;

/// Where functions come from.
pub trait Source: Send + Sync + 'static {
    /// Loads a function that is ready to run. It must be quick: the thread has others to serve.
    ///
    /// # Errors
    /// Why it cannot be loaded, for the log.
    fn load(&self, name: &Name) -> Result<Found, String>;

    /// Makes a function ready, which may take its time.
    ///
    /// # Errors
    /// Why it cannot be made ready, for the log.
    fn prepare(&self, name: &Name) -> Result<(), String>;
}

/// What a source has under a name.
#[derive(Debug)]
pub enum Found {
    /// A function.
    Ready(HttpProgram),
    /// A function that has to be compiled first.
    Unprepared,
    /// Nothing.
    Absent,
}

/// Functions, by their names. Clones are the same.
#[derive(Clone)]
pub struct Functions(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    known: Mutex<LruCache<Name, Known>>,
    /// Those that are being made ready, so that nobody does what another does already.
    preparing: Mutex<HashMap<Name, Arc<Turn<()>>>>,
    places: Arc<Semaphore>,
}

#[derive(Clone)]
enum Known {
    Ready(HttpProgram),
    /// It cannot be loaded, and why.
    Failed(Arc<str>),
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions")
            .field("loaded", &self.0.known.lock().len())
            .finish_non_exhaustive()
    }
}

impl Functions {
    /// The functions of a source, of which `loaded_max` stay loaded and `preparing_max` are made ready at a time.
    pub fn new(source: impl Source, loaded_max: NonZeroUsize, preparing_max: usize) -> Self {
        Self(Arc::new(Inner {
            source: Box::new(source),
            known: Mutex::new(LruCache::new(loaded_max)),
            preparing: Mutex::default(),
            places: Arc::new(Semaphore::new(preparing_max.max(1))),
        }))
    }

    /// The name of the function that answers a path, if it is one.
    #[must_use]
    pub fn name_in(path: &str) -> Option<Name> {
        let first = path.strip_prefix('/')?.split('/').next()?;
        first.parse().ok()
    }

    /// The function of a name, loaded now if it was not before; `None` where there is none.
    ///
    /// # Errors
    /// Why it cannot be loaded. It stays so until the whole is replaced.
    pub async fn find(&self, name: &Name) -> Result<Option<HttpProgram>, Arc<str>> {
        if let Some(known) = self.known(name) {
            return known.map(Some);
        }
        match self.load(name)? {
            Found::Ready(program) => return Ok(Some(program)),
            Found::Absent => return Ok(None),
            Found::Unprepared => {}
        }
        let turn = self.0.preparing.lock().entry(name.clone()).or_default().clone();
        let _mine = turn.lock().await;
        // Whoever had the turn before may have made it ready.
        let found = match self.known(name) {
            Some(known) => known.map(Some),
            None => self.prepare(name).await,
        };
        self.0.preparing.lock().remove(name);
        found
    }

    fn known(&self, name: &Name) -> Option<Result<HttpProgram, Arc<str>>> {
        match self.0.known.lock().get(name)? {
            Known::Ready(program) => Some(Ok(program.clone())),
            Known::Failed(why) => Some(Err(why.clone())),
        }
    }

    fn load(&self, name: &Name) -> Result<Found, Arc<str>> {
        let found = self.0.source.load(name).map_err(|why| self.fail(name, why))?;
        if let Found::Ready(program) = &found {
            self.remember(name, Known::Ready(program.clone()));
        }
        Ok(found)
    }

    async fn prepare(&self, name: &Name) -> Result<Option<HttpProgram>, Arc<str>> {
        let broken = |why: String| self.fail(name, why);
        let place = self.0.places.clone().acquire_owned().await;
        let place = place.map_err(|error| broken(error.to_string()))?;
        let (inner, wanted) = (self.0.clone(), name.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            // Kept to the end, also where nobody waits any more.
            let _place = place;
            inner.source.prepare(&wanted)
        });
        match prepared.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(broken(why)),
            Err(error) => return Err(broken(error.to_string())),
        }
        match self.load(name)? {
            Found::Ready(program) => Ok(Some(program)),
            Found::Absent => Ok(None),
            Found::Unprepared => Err(broken(
                "it was compiled, and is not there to be loaded".to_owned(),
            )),
        }
    }

    fn fail(&self, name: &Name, why: String) -> Arc<str> {
        let why: Arc<str> = why.into();
        self.remember(name, Known::Failed(why.clone()));
        why
    }

    fn remember(&self, name: &Name, known: Known) {
        let replaced = self.0.known.lock().push(name.clone(), known);
        // Outside the lock: code is given back here.
        drop(replaced);
    }

    /// Ends instances that were kept for longer than they may. Call it from time to time.
    pub fn sweep(&self) {
        let programs: Vec<HttpProgram> = {
            let known = self.0.known.lock();
            let ready = known.iter().filter_map(|(_, known)| match known {
                Known::Ready(program) if program.keeps_instances() => Some(program.clone()),
                Known::Ready(_) | Known::Failed(_) => None,
            });
            ready.collect()
        };
        for program in programs {
            program.sweep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_path_names_a_function() {
        let name = |path| Functions::name_in(path).map(|name| name.to_string());
        assert_eq!(name("/cart"), Some("cart".to_owned()));
        assert_eq!(name("/cart/items/3"), Some("cart".to_owned()));
        for path in [
            "",
            "/",
            "//cart",
            "/../cart",
            "/Cart",
            "/cart.wasm",
            "/%63art",
            "*",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }
}
