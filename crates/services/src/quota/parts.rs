//! Which part of which store has which quota.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Quota;

/// The quotas of all parts of some stores. Versions of an app that follow one another share it.
#[derive(Debug)]
pub struct Quotas<S: ?Sized>(Mutex<Vec<Part<S>>>);

#[derive(Debug)]
struct Part<S: ?Sized> {
    store: Weak<S>,
    prefix: String,
    quota: Weak<Quota>,
}

impl<S: ?Sized> Default for Quotas<S> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<S: ?Sized> Quotas<S> {
    /// The quota of what begins with a prefix in a store.
    pub(crate) fn of(&self, store: &Arc<S>, prefix: &str) -> Arc<Quota> {
        let mut parts = self.0.lock();
        parts.retain(|part| part.quota.strong_count() > 0);
        let known = parts
            .iter()
            .find(|part| part.prefix == prefix && std::ptr::addr_eq(part.store.as_ptr(), Arc::as_ptr(store)));
        if let Some(quota) = known.and_then(|part| part.quota.upgrade()) {
            return quota;
        }
        let quota = Arc::new(Quota::default());
        parts.push(Part {
            store: Arc::downgrade(store),
            prefix: prefix.to_owned(),
            quota: Arc::downgrade(&quota),
        });
        quota
    }
}
