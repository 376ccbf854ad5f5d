//! Linking: which host functions a guest finds under which names.
//!
//! Only what a program imports is linked, each import for the principal it belongs to. Interfaces of WASI are
//! there for every program that asks, so that programs which import what they never use still start; what
//! is not granted is refused inside, by the interface's own error where it has one. Interfaces outside WASI
//! are not provided here, and a program that imports one does not start.

mod config;
mod correction;
mod interfaces;
mod modules;
mod refusal;
mod slot;

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use weft_app::Grants;

use crate::bridge::{LinkFunctions, Links};
use crate::cell::{Cell, PrincipalSetup, Setup};
use crate::engine::Engine;
use crate::error::SetupError;
use crate::service::ServiceInterface;
pub(crate) use modules::modules;
pub(crate) use refusal::DenyHttp;
use refusal::Refusals;
use slot::PRINCIPALS_MAX;
use slot::Slot;

/// Whose import is whose.
#[derive(Debug, Clone, Default)]
pub enum Imports {
    /// Every import belongs to the first principal, under the interface's own name.
    #[default]
    Own,
    /// Imports belong to the principals that are named here, under names of their own. What is not listed is not
    /// provided.
    Scoped(Arc<[ScopedImport]>),
}

/// One import of a program that was made of several components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedImport {
    /// Its name in the program.
    pub name: String,
    /// The interface it stands for, such as `wasi:cli/environment@0.2.3`.
    pub interface: String,
    /// The number of the principal it belongs to.
    pub principal: usize,
    /// Whether it may be used. An import that may not is there, and using it ends the guest.
    pub granted: bool,
}

/// What linking has to know of a setup.
#[derive(Debug, Clone)]
pub(crate) struct Linking {
    imports: Imports,
    links: Links,
    /// What each principal is refused, by its number.
    refusals: Vec<Refusals>,
    /// What is implemented outside of this crate. Principals differ in what they may do with it, not in what there is.
    services: Vec<&'static ServiceInterface>,
}

impl Linking {
    pub(crate) fn of(setup: &Setup) -> Self {
        let refusals = |principal: &PrincipalSetup| Refusals::of(&principal.grants);
        Self {
            imports: setup.imports.clone(),
            links: setup.links.clone(),
            refusals: setup.principals.iter().map(refusals).collect(),
            services: setup
                .principals
                .first()
                .map(|principal| principal.services.interfaces().collect())
                .unwrap_or_default(),
        }
    }

    /// Of a program that acts for itself.
    pub(crate) fn own(grants: &Grants) -> Self {
        Self {
            imports: Imports::Own,
            links: Links::default(),
            refusals: vec![Refusals::of(grants)],
            services: Vec::new(),
        }
    }

    /// Refuses imports of principals that are not there, whether the program has such an import or not.
    fn check(&self) -> Result<(), SetupError> {
        let known = self.refusals.len();
        match &self.imports {
            Imports::Scoped(scoped) if scoped.iter().any(|import| import.principal >= known) => {
                Err(SetupError::PrincipalUnknown { known })
            }
            Imports::Scoped(_) | Imports::Own => Ok(()),
        }
    }

    fn refusals_of(&self, principal: usize) -> Refusals {
        self.refusals.get(principal).copied().unwrap_or_default()
    }
}

/// Linkers that an engine keeps for programs that import the same.
const LINKERS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// The linkers of an engine that were used last: of many small programs, most import the same under the same refusals.
pub(crate) struct Linkers(Mutex<LruCache<Same, Arc<Linker<Cell>>>>);

/// What programs have in common that one linker fits. They import under the interfaces' own names.
#[derive(PartialEq, Eq, Hash)]
struct Same {
    imports: Vec<String>,
    refusals: Vec<Refusals>,
}

impl Default for Linkers {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(LINKERS_MAX)))
    }
}

/// A linker with everything that a component imports.
pub(crate) fn components(
    engine: &Engine,
    component: &Component,
    linking: &Linking,
) -> Result<Arc<Linker<Cell>>, SetupError> {
    linking.check()?;
    let ty = component.component_type();
    let links = LinkFunctions::new(engine, &linking.links);
    let mut linked = Vec::new();
    let mut wanted = Vec::new();
    let mut missing = Vec::new();
    for (name, item) in ty.imports(engine.wasmtime()) {
        if let Some(link) = links.find(name) {
            linked.push((link, item.ty));
        } else if let Some(found) = Found::new(engine, linking, name) {
            wanted.push((name, item.ty, found));
        } else if !holds_only_types(&item.ty, engine.wasmtime()) {
            missing.push(name.to_owned());
        }
    }
    if !missing.is_empty() {
        return Err(SetupError::ImportMissing { missing });
    }
    let same = matches!(linking.imports, Imports::Own).then(|| Same {
        imports: wanted.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        refusals: linking.refusals.clone(),
    });
    if let Some(same) = &same
        && let Some(linker) = engine.linkers().0.lock().get(same)
    {
        return Ok(linker.clone());
    }
    let mut linker = Linker::new(engine.wasmtime());
    for (name, item, found) in wanted {
        found
            .register(engine, &mut linker, name, &item, linking)
            .map_err(|error| SetupError::Link(error.into()))?;
    }
    for (link, item) in linked {
        links
            .register(&mut linker, link, &item)
            .map_err(|error| SetupError::Link(error.into()))?;
    }
    let linker = Arc::new(linker);
    if let Some(same) = same {
        engine.linkers().0.lock().put(same, linker.clone());
    }
    Ok(linker)
}

/// What an import is linked to.
struct Found<'a> {
    interface: &'a str,
    /// Absent where nothing provides it, which is no error as long as it may not be used.
    provided: Option<interfaces::Provided>,
    principal: usize,
    granted: bool,
}

impl<'a> Found<'a> {
    fn new(engine: &Engine, linking: &'a Linking, name: &'a str) -> Option<Self> {
        let concurrency = engine.profile().concurrency();
        let find = |interface| interfaces::find(interface, concurrency, &linking.services);
        match &linking.imports {
            Imports::Own => Some(Self {
                interface: name,
                provided: Some(find(name)?),
                principal: 0,
                granted: true,
            }),
            Imports::Scoped(scoped) => {
                let import = scoped.iter().find(|import| import.name == name)?;
                let provided = find(&import.interface);
                (provided.is_some() || !import.granted).then_some(Self {
                    interface: &import.interface,
                    provided,
                    principal: import.principal,
                    granted: import.granted,
                })
            }
        }
    }

    fn register(
        &self,
        engine: &Engine,
        linker: &mut Linker<Cell>,
        name: &str,
        item: &ComponentItem,
        linking: &Linking,
    ) -> wasmtime::Result<()> {
        let too_many = || wasmtime::format_err!("a program has at most {PRINCIPALS_MAX} principals");
        let slot = Slot::of(self.principal).ok_or_else(too_many)?;
        linker.allow_shadowing(true);
        let mut instance = linker.instance(name)?;
        if let Some(provided) = &self.provided {
            provided.register(&mut instance, slot, self.principal)?;
            correction::correct(&mut instance, provided)?;
            let refused = linking.refusals_of(self.principal);
            refusal::refuse(&mut instance, provided, self.principal, refused)?;
        }
        if self.granted {
            return Ok(());
        }
        let wasmtime = engine.wasmtime();
        refusal::refuse_all(
            &mut instance,
            wasmtime,
            item,
            self.interface,
            self.principal,
            self.provided.is_some(),
        )
    }
}

pub(crate) fn holds_only_types(item: &ComponentItem, engine: &wasmtime::Engine) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .all(|(_, item)| holds_only_types(&item.ty, engine)),
        _ => false,
    }
}
