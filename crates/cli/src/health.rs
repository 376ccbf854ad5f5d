//! Looks from time to time whether the stores and queues of a served app work, for its health page.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use weft_serve::{Health, Part};

use crate::report::Report;
use crate::services::HostServices;

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(2);

/// Somebody who looks, until this is dropped. Nobody waits for the end of a look: a dead server may take its time.
pub(crate) struct Looking {
    _ending: mpsc::Sender<()>,
}

impl Looking {
    /// Begins to look.
    pub(crate) fn start(services: HostServices, health: Health) -> Result<Self, Report> {
        let failed = |error: std::io::Error| Report::failed("cannot look after stores").caused_by(error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let (ending, ended) = mpsc::channel::<()>();
        std::thread::Builder::new()
            .name("health".to_owned())
            .spawn(move || {
                loop {
                    health.set(runtime.block_on(look(&services)));
                    if !matches!(ended.recv_timeout(PERIOD), Err(RecvTimeoutError::Timeout)) {
                        return;
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self { _ending: ending })
    }
}

/// Every store that is open is asked at the same time: each answers within its own timeout.
async fn look(services: &HostServices) -> Vec<Part> {
    let looks = services
        .parts()
        .into_iter()
        .map(|(kind, name, check)| async move {
            let problem = check.await.err();
            Part { kind, name, problem }
        });
    let mut parts = futures::future::join_all(looks).await;
    parts.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    parts
}
