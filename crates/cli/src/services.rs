//! What each component has of the services of the host.

use std::pin::Pin;
use std::sync::Arc;

use weft_app::Grants;
use weft_app::queue::MessageQueue;
use weft_app::store::Store;
use weft_runtime::Services;
use weft_runtime::denial::DenialLog;
use weft_services::blobstore::Blobs;
use weft_services::keyvalue::KeyValue;
use weft_services::logging::Logging;
use weft_services::messaging::Messaging;
use weft_services::sql::{Database as Opened, Sql};
use weft_stores::keyvalue;
use weft_stores::queue::Queue;

use crate::blob_stores::BlobStores;
use crate::component_log::ComponentLog;
use crate::databases::Databases;
use crate::queues::Queues;
use crate::report::Report;
use crate::settings::Settings;
use crate::stores::Stores;

/// Whether something works, once it has answered; what is wrong where it does not.
pub(crate) type Check = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The services of one app, or of one program. Clones are the same services.
#[derive(Debug, Clone)]
pub(crate) struct HostServices {
    stores: Stores,
    blob_stores: BlobStores,
    queues: Queues,
    databases: Databases,
    log: ComponentLog,
}

impl HostServices {
    /// Those of something that runs once.
    pub(crate) fn of_run(app: &str, settings: &Settings) -> Result<Self, Report> {
        Ok(Self {
            stores: Stores::of(app, settings),
            blob_stores: BlobStores::of(app, settings),
            queues: Queues::of(app, settings),
            databases: Databases::of(app, settings),
            log: ComponentLog::direct(settings)?,
        })
    }

    /// Those of something that answers requests.
    pub(crate) fn of_server(app: &str, settings: &Settings) -> Result<Self, Report> {
        Ok(Self {
            stores: Stores::of(app, settings),
            blob_stores: BlobStores::of(app, settings),
            queues: Queues::of(app, settings),
            databases: Databases::of(app, settings),
            log: ComponentLog::with_thread(settings)?,
        })
    }

    /// A queue that messages are taken from. Components that are granted services later may reply to them.
    pub(crate) fn queue(&self, queue: &MessageQueue) -> Result<Arc<dyn Queue>, Report> {
        self.queues.open(queue)
    }

    /// A store that is watched.
    pub(crate) fn store(&self, store: &Store) -> Result<Arc<dyn keyvalue::Store>, Report> {
        self.stores.open(store)
    }

    /// What one component has of them.
    pub(crate) fn granted(
        &self,
        component: &str,
        grants: &Grants,
        denials: &DenialLog,
    ) -> Result<Services, Report> {
        let mut buckets = Vec::new();
        for bucket in &grants.keyvalue.buckets {
            buckets.push((bucket.clone(), self.stores.open(&bucket.store)?));
        }
        let mut containers = Vec::new();
        for container in &grants.blobstore.containers {
            containers.push((container.clone(), self.blob_stores.open(&container.store)?));
        }
        let mut clients = Vec::new();
        for client in &grants.messaging.clients {
            clients.push((client.clone(), self.queues.open(&client.queue)?));
        }
        let mut databases = Vec::new();
        for database in &grants.sql.databases {
            databases.push((database.clone(), self.databases.open(&database.database)?));
        }
        let replies = self.queues.opened().into_iter().map(|(_, queue)| queue).collect();
        Ok(Services::new(vec![
            Arc::new(KeyValue::new(buckets, self.stores.quotas(), denials.clone())),
            Arc::new(Blobs::new(containers, self.blob_stores.quotas(), denials.clone())),
            Arc::new(Messaging::new(clients, replies, denials.clone())),
            Arc::new(Sql::new(databases, denials.clone())),
            Arc::new(Logging::new(
                grants.logging,
                component,
                self.log.sink(),
                denials.clone(),
            )),
        ]))
    }

    /// What was opened for components: what it is, its name, and whether it works.
    pub(crate) fn parts(&self) -> Vec<(&'static str, String, Check)> {
        let mut parts: Vec<(&'static str, String, Check)> = Vec::new();
        for (name, store) in self.stores.opened() {
            let check = async move { store.check().await.map_err(|error| error.to_string()) };
            parts.push(("store", name, Box::pin(check)));
        }
        for (name, store) in self.blob_stores.opened() {
            let check = async move { store.check().await.map_err(|error| error.to_string()) };
            parts.push(("blobstore", name, Box::pin(check)));
        }
        for (name, queue) in self.queues.opened() {
            let check = async move { queue.check().await.map_err(|error| error.to_string()) };
            parts.push(("queue", name, Box::pin(check)));
        }
        for (name, database) in self.databases.opened() {
            let check = async move {
                let checked = match database {
                    Opened::Sqlite(database) => database.check().await,
                    Opened::Postgres(database) => database.check().await,
                };
                checked.map_err(|error| error.to_string())
            };
            parts.push(("database", name, Box::pin(check)));
        }
        parts
    }

    /// Waits for what is on its way out of the process.
    pub(crate) fn flush(&self) {
        self.log.flush();
    }
}
