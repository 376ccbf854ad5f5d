//! What each component has of the services of the host.

use std::sync::Arc;

use weft_app::Grants;
use weft_runtime::Services;
use weft_runtime::denial::DenialLog;
use weft_services::keyvalue::KeyValue;
use weft_services::logging::Logging;

use crate::component_log::ComponentLog;
use crate::report::Report;
use crate::settings::Settings;
use crate::stores::Stores;

/// The services of one app, or of one program. Clones are the same services.
#[derive(Debug, Clone)]
pub(crate) struct HostServices {
    stores: Stores,
    log: ComponentLog,
}

impl HostServices {
    /// Those of something that runs once.
    pub(crate) fn of_run(app: &str, settings: &Settings) -> Result<Self, Report> {
        Ok(Self {
            stores: Stores::of(app, settings),
            log: ComponentLog::direct(settings)?,
        })
    }

    /// Those of something that answers requests.
    pub(crate) fn of_server(app: &str, settings: &Settings) -> Result<Self, Report> {
        Ok(Self {
            stores: Stores::of(app, settings),
            log: ComponentLog::with_thread(settings)?,
        })
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
        Ok(Services::new(vec![
            Arc::new(KeyValue::new(buckets, denials.clone())),
            Arc::new(Logging::new(
                grants.logging,
                component,
                self.log.sink(),
                denials.clone(),
            )),
        ]))
    }

    /// Waits for what is on its way out of the process.
    pub(crate) fn flush(&self) {
        self.log.flush();
    }
}
