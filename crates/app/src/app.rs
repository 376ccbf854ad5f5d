//! An application: components, what joins them, and what makes them run.

use crate::{Component, Limits, Name, Trigger};

/// What a manifest describes: components that are linked to each other, and what sets them off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name, for messages and file names.
    pub name: Name,
    /// Its components, in the order of the manifest. No two have the same name.
    pub components: Vec<Component>,
    /// What makes it run.
    pub triggers: Vec<Trigger>,
    /// What one run of the whole app may spend. Each component has bounds of its own beside these.
    pub limits: Limits,
}

impl App {
    /// The component of this name.
    #[must_use]
    pub fn component(&self, name: &Name) -> Option<&Component> {
        self.components.iter().find(|component| component.name == *name)
    }
}
