//! What a server is told when it starts, and what it tells while it runs.

use std::fmt;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use weft_app::trigger::http::{AccessLog, HttpLimits, HttpTrigger, ListenAddress, Listener, Route};

use crate::handler::{Fault, RequestId};
use crate::health::Health;

/// How a server is set up. What answers is a [`Site`], which can be replaced while it runs.
pub struct Settings {
    /// Where connections are accepted; nowhere where there are none.
    pub listeners: Vec<Listener>,
    /// Where health, readiness and numbers are shown.
    pub admin: Option<ListenAddress>,
    /// What clients and requests may cost.
    pub limits: HttpLimits,
    /// What is written about every request, and where; a line that cannot be written is counted and lost.
    pub access_log: AccessLog,
    /// Where the access log goes.
    pub log_writer: Box<dyn Write + Send>,
    /// Threads that serve; one for each processor where it is `None`.
    pub threads: Option<NonZeroUsize>,
    /// What a client is told about a fault.
    pub fault_pages: FaultPages,
    /// What is known of the things that the app depends on; whoever looks after them tells it here.
    pub health: Health,
    /// Whom to tell what happens.
    pub notify: Notify,
}

impl Settings {
    /// What a trigger says, with no access log and nobody to tell.
    #[must_use]
    pub fn new(trigger: &HttpTrigger) -> Self {
        Self {
            listeners: trigger.listeners.clone(),
            admin: trigger.admin.clone(),
            limits: trigger.limits.clone(),
            access_log: trigger.access_log,
            log_writer: Box::new(std::io::sink()),
            threads: None,
            fault_pages: FaultPages::Terse,
            health: Health::default(),
            notify: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Settings")
            .field("listeners", &self.listeners)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What answers: a handler, and which requests it is for.
#[derive(Debug, Clone)]
pub struct Site<H> {
    /// Answers the requests of routes whose target is a component.
    pub handler: H,
    /// Which requests there are.
    pub routes: Vec<Route>,
}

/// What a client is told about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultPages {
    /// The status and the id of the request.
    #[default]
    Terse,
    /// A page with the detail, for whoever develops the app. Never for strangers.
    Detailed,
}

/// Whom a server tells what happens. It is called on the threads that serve, and must not block them.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// Something that whoever runs the server should know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// A request could not be answered, or its response ended too early.
    RequestFailed {
        /// Which.
        id: RequestId,
        /// Why.
        fault: Fault,
    },
    /// A new certificate is used for new connections.
    CertificateReplaced(PathBuf),
    /// The files of a certificate changed to something that cannot be used; the old one stays in use.
    CertificateRefused {
        /// The file of the certificate.
        certificate: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A connection could not be accepted, for want of descriptors for instance.
    AcceptFailed {
        /// Where.
        address: ListenAddress,
        /// Why.
        reason: String,
    },
    /// A connection ended by a panic. The others go on.
    ConnectionPanicked,
}
