//! Queues: each opened once in a process, and shared by all components and versions of an app.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use weft_app::queue::{MessageQueue, QueueBackend};
use weft_app::store::{Store, StoreBackend};
use weft_stores::keyvalue::sqlite::Options;
use weft_stores::queue::Queue;
use weft_stores::queue::kept::{Kept, MESSAGES};
use weft_stores::queue::nats::{self, Nats};

use crate::report::Report;
use crate::settings::Settings;
use crate::stores::durability;

/// Bytes of memory for messages that were used last: most are used once.
const CACHE_BYTES: usize = 4 << 20;

/// The queues of one app. Clones are the same queues.
#[derive(Clone)]
pub(crate) struct Queues(Arc<Inner>);

struct Inner {
    app: String,
    /// Below which folder apps have theirs.
    apps: Option<PathBuf>,
    opened: Mutex<HashMap<MessageQueue, Arc<dyn Queue>>>,
}

impl fmt::Debug for Queues {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Queues").field(&self.0.app).finish()
    }
}

impl Queues {
    /// None is opened yet.
    pub(crate) fn of(app: &str, settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            app: app.to_owned(),
            apps: settings.apps.clone(),
            opened: Mutex::default(),
        }))
    }

    /// A queue, opened now if it was not before.
    pub(crate) fn open(&self, queue: &MessageQueue) -> Result<Arc<dyn Queue>, Report> {
        let mut opened = self.0.opened.lock();
        if let Some(open) = opened.get(queue) {
            return Ok(Arc::clone(open));
        }
        let open: Arc<dyn Queue> = match &queue.backend {
            QueueBackend::Memory { bytes_max } => Arc::new(Kept::in_memory(*bytes_max)),
            QueueBackend::Embedded {
                folder,
                durability: survives,
                bytes_max,
            } => {
                let options = Options {
                    durability: durability(*survives),
                    bytes_max: *bytes_max,
                    cache_bytes_max: CACHE_BYTES,
                    ..Options::default()
                };
                let folder = self.folder(queue, folder.clone())?;
                let kept = Kept::open(&folder, &options).map_err(|error| {
                    Report::failed(format!("cannot open queue `{}`", queue.name)).caused_by(error)
                })?;
                Arc::new(kept)
            }
            QueueBackend::Nats {
                address,
                authorities,
                stream,
                replicas,
                timeout,
            } => {
                let options = nats::Options {
                    stream: self.stream(queue, stream.as_deref()),
                    replicas: *replicas,
                    timeout: *timeout,
                    authorities: authorities.clone(),
                    ..nats::Options::default()
                };
                let open = Nats::new(&address.0, options).map_err(|error| {
                    Report::failed(format!("cannot open queue `{}`", queue.name)).caused_by(error)
                })?;
                Arc::new(open)
            }
        };
        opened.insert(queue.clone(), Arc::clone(&open));
        Ok(open)
    }

    /// Those that were opened, by name.
    pub(crate) fn opened(&self) -> Vec<(String, Arc<dyn Queue>)> {
        let opened = self.0.opened.lock();
        let named =
            |(queue, open): (&MessageQueue, &Arc<dyn Queue>)| (queue.name.to_string(), Arc::clone(open));
        opened.iter().map(named).collect()
    }

    /// Where the messages of a queue are, for those who look at them: all of an embedded one, of one on a server those
    /// that were put aside.
    pub(crate) fn messages(&self, queue: &MessageQueue) -> Result<Option<Store>, Report> {
        let backend = match &queue.backend {
            QueueBackend::Memory { .. } => return Ok(None),
            QueueBackend::Embedded {
                folder,
                durability,
                bytes_max,
            } => StoreBackend::Embedded {
                folder: Some(self.folder(queue, folder.clone())?.join(MESSAGES)),
                durability: *durability,
                bytes_max: *bytes_max,
            },
            QueueBackend::Nats {
                address,
                authorities,
                stream,
                replicas,
                timeout,
            } => StoreBackend::Nats {
                address: address.clone(),
                authorities: authorities.clone(),
                bucket: Some(nats::bucket_of(&self.stream(queue, stream.as_deref()))),
                replicas: *replicas,
                timeout: *timeout,
            },
        };
        let name = queue.name.clone();
        Ok(Some(Store { name, backend }))
    }

    /// The stream of a queue on a server. Two hyphens are in no name.
    fn stream(&self, queue: &MessageQueue, given: Option<&str>) -> String {
        given.map_or_else(|| format!("{}--{}", self.0.app, queue.name), str::to_owned)
    }

    /// Where an embedded queue is.
    fn folder(&self, queue: &MessageQueue, given: Option<PathBuf>) -> Result<PathBuf, Report> {
        if let Some(given) = given {
            return Ok(given);
        }
        let apps = self.0.apps.as_ref().ok_or_else(|| {
            Report::failed(format!("there is no folder for queue `{}`", queue.name))
                .hint("set `WEFT_DATA_DIR`, or give the queue a `path`")
        })?;
        Ok(apps.join(&self.0.app).join("queues").join(queue.name.as_str()))
    }
}
