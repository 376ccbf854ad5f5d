//! What is known about an app while its plan is made.

use std::cell::Cell;

use weft_app::{App, Name};
use weft_inspect::wit::{self, Side};

use crate::problem::Excerpt;
use crate::surface::Surfaces;

/// How many pieces of WIT the problems of one app show: reading them takes longer than everything else.
const EXCERPTS_MAX: usize = 24;
/// The longest piece of WIT that is shown whole.
const EXCERPT_BYTES_MAX: usize = 3000;

/// An app with the bytes and the surfaces of its components.
pub(crate) struct Context<'a> {
    pub(crate) app: &'a App,
    pub(crate) parts: Vec<&'a [u8]>,
    pub(crate) surfaces: Surfaces,
    pub(crate) excerpts: Cell<usize>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(app: &'a App, parts: Vec<&'a [u8]>, surfaces: Surfaces) -> Self {
        Self {
            app,
            parts,
            surfaces,
            excerpts: Cell::new(EXCERPTS_MAX),
        }
    }

    pub(crate) fn name(&self, component: usize) -> Name {
        // Components and surfaces are counted alike, so the index is always one of the app's.
        self.app
            .components
            .get(component)
            .map_or_else(|| self.app.name.clone(), |component| component.name.clone())
    }

    pub(crate) fn index(&self, name: &Name) -> Option<usize> {
        self.app
            .components
            .iter()
            .position(|component| component.name == *name)
    }

    /// The WIT of one side; nothing where it does not decode or enough was shown already.
    pub(crate) fn excerpt(&self, component: usize, side: Side, item: &str) -> Vec<Excerpt> {
        let left = self.excerpts.get();
        let (Some(bytes), 1..) = (self.parts.get(component), left) else {
            return Vec::new();
        };
        self.excerpts.set(left - 1);
        let does = match side {
            Side::Import => "asks for",
            Side::Export => "offers",
        };
        let Ok(mut text) = wit::item(bytes, side, item) else {
            return Vec::new();
        };
        if text.len() > EXCERPT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(EXCERPT_BYTES_MAX));
            text.push_str("…\n");
        }
        let of = format!("component `{}` {does}", self.name(component));
        vec![Excerpt { of, text }]
    }

    pub(crate) fn both(&self, component: usize, import: &str, provider: usize, export: &str) -> Vec<Excerpt> {
        let mut wit = self.excerpt(component, Side::Import, import);
        wit.extend(self.excerpt(provider, Side::Export, export));
        wit
    }
}
