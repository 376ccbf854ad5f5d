//! The plan: for every component, for every import, who satisfies it.
//!
//! A plan is made from the app and the bytes of its components, and it is complete: [`crate::fuse()`] does what
//! it says and refuses a result that differs. Equal inputs make equal plans.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use wac_types::{ItemKind, Types};
use weft_app::cell::CellSettings;
use weft_app::link::{Isolation, LinkMode};
use weft_app::trigger::http::Reuse;
use weft_app::{App, Component, ComponentLimits, Name, Trigger};

use crate::access::{self, Access, FromHost};
use crate::cells::{self, Partition};
use crate::context::Context;
use crate::entries::{self, CellExport, Door, Entry, EntryKind};
use crate::host::Need;
use crate::names::Scope;
use crate::on_failure;
use crate::problem::{Problem, Reason, Subject};
use crate::resolve::{self, Chosen, Links, Mode};
use crate::shares::Shares;
use crate::sharing::{self, Node};
use crate::surface::{self, Surfaces};
use crate::{assign, clamp};

/// The bytes of one component of an app.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The component.
    pub component: &'a Name,
    /// Its bytes: a component in binary form, see [`crate::adapt`].
    pub bytes: &'a [u8],
}

/// Who satisfies every import of every component of an app.
#[derive(Debug)]
pub struct Plan {
    components: Vec<PlannedComponent>,
    entries: Vec<Entry>,
    cells: Vec<PlannedCell>,
    triggers: Vec<Trigger>,
    warnings: Vec<Problem>,
}

/// A cell that others call over isolated links.
#[derive(Debug, Clone)]
pub struct PlannedCell {
    /// The component that is called, by whose name the cell goes; the first of them where there are several.
    pub root: usize,
    /// How its instances live, and what a call may spend.
    pub settings: CellSettings,
    /// What it is made of, and what others call: it is fused as a way into the app is.
    pub entry: Entry,
}

/// One component of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedComponent {
    /// Its name.
    pub name: Name,
    /// Its imports, in the order of its bytes.
    pub imports: Vec<PlannedImport>,
    /// Whether it runs, or something that runs is linked to it. Others are in no fused component.
    pub is_reached: bool,
    /// What it may spend by itself.
    pub limits: ComponentLimits,
    /// What each of its memories and tables may have of that.
    pub shares: Shares,
    pub(crate) digest: [u8; 32],
}

/// One import of a [`PlannedComponent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedImport {
    /// Its name, as the component has it.
    pub name: String,
    /// Who satisfies it.
    pub target: Target,
}

/// Who satisfies an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Another component.
    Link {
        /// Which, by its index among the components.
        provider: usize,
        /// The name of its export.
        export: String,
        /// Who said so.
        chosen: Chosen,
        /// The cell that is called, by its index, where the link is isolated.
        cell: Option<usize>,
    },
    /// The host, or nobody.
    Host(HostImport),
}

/// An import that no link satisfies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostImport {
    /// What calling it takes; none where the host does not know the interface.
    pub need: Option<Need>,
    /// Whether it is given, or traps when it is called.
    pub access: Access,
}

/// An import that the fused component has: an interface of the host under a name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedImport {
    /// Its name in the fused component.
    pub name: String,
    /// Whose rights decide what it may do.
    pub owner: Owner,
    /// The interface that it is, with its version.
    pub interface: String,
    /// What calling it takes; none where the host does not know the interface.
    pub need: Option<Need>,
    /// Whether it is given, or traps when it is called.
    pub access: Access,
    /// It has types and nothing that could be called, so nothing needs to be defined for it.
    pub is_types_only: bool,
    /// The other cell that satisfies it; none where the host does.
    pub link: Option<CellLink>,
}

/// Where an isolated link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellLink {
    /// The cell, by its index.
    pub cell: usize,
    /// The export, by its name in that cell's component.
    pub export: String,
    /// What the caller sees of calls that fail. Where the import is a function, what the manifest says of it stands
    /// for all.
    pub isolation: Isolation,
}

/// Whose an import of a fused component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// One component's, by its index.
    Component(usize),
    /// Several components', because handles flow between them. All of them may do the same with it.
    Group {
        /// Their indices, in order.
        members: Vec<usize>,
        /// The one of them whose grants speak for all.
        principal: usize,
    },
}

impl Plan {
    /// The components, in the order of the app.
    #[must_use]
    pub fn components(&self) -> &[PlannedComponent] {
        &self.components
    }

    /// The ways into the app: for each component that is entered one, which becomes an artifact of its own. None
    /// where everything is answered by files.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The cells that are called over isolated links, each of which becomes an artifact of its own.
    #[must_use]
    pub fn cells(&self) -> &[PlannedCell] {
        &self.cells
    }

    /// What makes the app run: the triggers of the app, and who was found where it names nobody.
    #[must_use]
    pub fn triggers(&self) -> &[Trigger] {
        &self.triggers
    }

    /// What is not wrong, but probably not meant.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Bytes of the engine's heap for structs, arrays and exceptions: there is one for each way into the app, so
    /// it is as large as the smallest share among the components that use it. None where no component does.
    #[must_use]
    pub fn heap_bytes_max(&self, entry: &Entry) -> Option<u64> {
        let members = entry.members.iter();
        members
            .filter_map(|member| self.components.get(*member))
            .filter(|component| component.shares.uses_heap)
            .map(|component| component.shares.memory_bytes_max)
            .min()
    }
}

/// Makes the plan of an app.
///
/// # Errors
/// Everything that is wrong with the app, as far as one thing does not hide another.
///
/// # Authority
/// Here it is decided which component gets which interface of the host, by its grants; the engine's linker only
/// carries it out.
///
/// # Limits
/// Time in proportion to the bytes of the components without their code; 1000 imports and exports each.
pub fn plan(app: &App, parts: &[Part<'_>]) -> Result<Plan, Vec<Problem>> {
    let (context, shares) = read(app, parts)?;
    let mut problems = Vec::new();
    let (links, failed) = resolve::resolve(&context, &mut problems);
    let hosts = decide_hosts(&context, &links, &failed, &mut problems);
    let found = entries::find(&context, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let reached: BTreeSet<usize> = found
        .doors
        .iter()
        .flat_map(|door| reach(&links, [door.component]))
        .collect();
    let partition = cells::partition(&context, &links, &reached, &mut problems);
    problems.extend(on_failure::check(&context, &links, &reached));
    if !problems.is_empty() {
        return Err(problems);
    }
    let calls = calls(&context, &partition);
    let entering = Entering {
        context: &context,
        fused: cells::fused(&links),
        links: &links,
        hosts: &hosts,
        partition: &partition,
        calls: &calls,
    };
    let mut entries = Vec::new();
    for door in found.doors {
        let mut of_entry = Vec::new();
        entries.push(entering.enter(door, Vec::new(), &mut of_entry));
        // Two ways may lead through one mistake.
        of_entry.retain(|problem| !problems.iter().any(|known| is_same(known, problem)));
        problems.extend(of_entry);
    }
    let mut planned_cells = Vec::new();
    for (called, calls) in partition.called.iter().zip(&calls) {
        let mut of_cell = Vec::new();
        let door = Door {
            component: called.root,
            kind: EntryKind::Cell,
            exports: Vec::new(),
        };
        planned_cells.push(PlannedCell {
            root: called.root,
            settings: called.settings,
            entry: entering.enter(door, calls.clone(), &mut of_cell),
        });
        of_cell.retain(|problem| !problems.iter().any(|known| is_same(known, problem)));
        problems.extend(of_cell);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut warnings = warnings(&context, &hosts, &reached);
    warnings.extend(unused_reuse(&context, &entries));
    warnings.extend(unused_interruption(&context, &entries, &planned_cells));
    warnings.extend(unused_cells(&context, &planned_cells));
    let components = app
        .components
        .iter()
        .zip(shares)
        .enumerate()
        .map(|(index, (component, shares))| PlannedComponent {
            name: component.name.clone(),
            imports: planned_imports(&context, &links, &hosts, &partition, index),
            is_reached: reached.contains(&index),
            limits: component.limits,
            shares,
            digest: context.parts.get(index).map_or([0; 32], |bytes| digest(bytes)),
        });
    Ok(Plan {
        components: components.collect(),
        entries,
        cells: planned_cells,
        triggers: found.triggers,
        warnings,
    })
}

fn is_same(one: &Problem, other: &Problem) -> bool {
    one.subject == other.subject && one.to_string() == other.to_string()
}

/// What it takes to say who comes along on a way into the app or into a cell, and whose each import is there.
struct Entering<'a> {
    context: &'a Context<'a>,
    links: &'a Links,
    /// Those that lead into no other cell.
    fused: Links,
    hosts: &'a Hosts,
    partition: &'a Partition,
    calls: &'a [Vec<CellExport>],
}

impl Entering<'_> {
    fn enter(&self, door: Door, calls: Vec<CellExport>, problems: &mut Vec<Problem>) -> Entry {
        let entered = std::iter::once(door.component).chain(calls.iter().map(|call| call.component));
        let members = reach(&self.fused, entered);
        let isolated = self.isolated(&members);
        let sets = sharing::groups(self.context, &self.fused, &isolated, &members, problems);
        let imports = if problems.is_empty() {
            assign::name_imports(self.context, self.hosts, &isolated, &members, &sets, problems)
        } else {
            HashMap::new()
        };
        Entry {
            component: door.component,
            kind: door.kind,
            exports: door.exports,
            calls,
            members: members.into_iter().collect(),
            imports: imports.into_iter().collect(),
        }
    }

    /// The imports of members that other cells satisfy.
    fn isolated(&self, members: &BTreeSet<usize>) -> BTreeMap<Node, CellLink> {
        let mut isolated = BTreeMap::new();
        for component in members {
            for (import, link) in self.links.get(*component).into_iter().flatten().enumerate() {
                let Some(link) = link.filter(|link| link.mode == Mode::Isolated) else {
                    continue;
                };
                let node = (*component, import);
                isolated.extend(self.cell_link(node, &link).map(|link| (node, link)));
            }
        }
        isolated
    }

    fn cell_link(&self, (component, import): Node, link: &resolve::Link) -> Option<CellLink> {
        let cell = self.partition.cell_of(link.provider)?;
        let export = &self.context.surfaces.export(link.provider, link.export)?.name;
        let mut calls = self.calls.get(cell)?.iter();
        let called = calls.find(|call| call.component == link.provider && call.export == *export)?;
        let import = self.context.surfaces.import(component, import)?;
        let isolation = isolation(self.context, component, link)?;
        Some(CellLink {
            cell,
            export: called.name.clone(),
            isolation: match import.kind {
                ItemKind::Func(_) => isolation.of_one(&import.name),
                _ => isolation.clone(),
            },
        })
    }
}

/// What a rule says of calls that fail.
pub(crate) fn isolation<'a>(
    context: &Context<'a>,
    component: usize,
    link: &resolve::Link,
) -> Option<&'a Isolation> {
    let Chosen::Rule(rule) = link.chosen else {
        return None;
    };
    match &context.app.components.get(component)?.links.get(rule)?.mode {
        LinkMode::Isolated(isolation) => Some(isolation),
        LinkMode::Fused => None,
    }
}

/// The exports of each cell that others call, each under a name of its own.
fn calls(context: &Context<'_>, partition: &Partition) -> Vec<Vec<CellExport>> {
    let of_cell = |called: &cells::Called| {
        let mut scopes = assign::scopes(context);
        let mut of_components: BTreeMap<usize, Scope> = BTreeMap::new();
        let calls = called.exports.iter().filter_map(|(component, export)| {
            let export = context.surfaces.export(*component, *export)?.name.clone();
            let name = context.name(*component);
            let scope = of_components
                .entry(*component)
                .or_insert_with(|| scopes.open(name.as_str()));
            Some(CellExport {
                component: *component,
                name: scopes.name(scope, &export)?,
                export,
            })
        });
        calls.collect()
    };
    partition.called.iter().map(of_cell).collect()
}

pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// The bytes given for a component, if it is one file.
pub(crate) fn bytes_of<'a>(parts: &[Part<'a>], component: &Name) -> Result<&'a [u8], usize> {
    let mut found = parts.iter().filter(|part| part.component == component);
    match (found.next(), found.count()) {
        (Some(part), 0) => Ok(part.bytes),
        (first, more) => Err(usize::from(first.is_some()) + more),
    }
}

/// Reads every component; what is wrong with one does not hide what is wrong with another.
fn read<'a>(app: &'a App, parts: &[Part<'a>]) -> Result<(Context<'a>, Vec<Shares>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut surfaces = Surfaces::default();
    let mut all_bytes = Vec::new();
    let mut all_shares = Vec::new();
    for component in &app.components {
        let name = component.name.clone();
        let bytes = match bytes_of(parts, &name) {
            Ok(bytes) => bytes,
            Err(count) => {
                let subject = Subject::Component(name.clone());
                let component = name;
                problems.push(Problem::new(subject, Reason::Parts { component, count }));
                continue;
            }
        };
        all_bytes.push(bytes);
        match surface::read(&mut surfaces.types, name.as_str(), bytes) {
            Ok(surface) => surfaces.list.push(surface),
            Err(cause) => {
                // Half of a component may be in the arena now. Problems are all that can follow.
                surfaces.types = Types::default();
                let subject = Subject::Component(name.clone());
                let component = name;
                problems.push(Problem::new(subject, Reason::Unusable { component, cause }));
                continue;
            }
        }
        match clamp::check(bytes, &component.limits) {
            Ok(shares) => all_shares.push(shares),
            Err(cause) => {
                let subject = Subject::Limits(name.clone());
                let component = name;
                problems.push(Problem::new(subject, Reason::BeyondLimits { component, cause }));
            }
        }
    }
    if problems.is_empty() {
        Ok((Context::new(app, all_bytes, surfaces), all_shares))
    } else {
        Err(problems)
    }
}

/// What was decided about each import that the host is to satisfy.
pub(crate) type Hosts = HashMap<Node, FromHost>;

fn decide_hosts(
    context: &Context<'_>,
    links: &Links,
    failed: &HashSet<Node>,
    problems: &mut Vec<Problem>,
) -> Hosts {
    let mut hosts = HashMap::new();
    for (component, surface) in context.surfaces.list.iter().enumerate() {
        let mut first_of: HashMap<ItemKind, &str> = HashMap::new();
        for (index, import) in surface.imports.iter().enumerate() {
            let node = (component, index);
            if link_of(links, node).is_some() || failed.contains(&node) {
                continue;
            }
            match access::decide(context, component, import) {
                Ok(from_host) => {
                    hosts.insert(node, from_host);
                    if let Some(first) = first_of.insert(import.kind, &import.name) {
                        problems.push(one_type(context, component, first, &import.name));
                    }
                    problems.extend(uses_of_linked(context, links, node));
                }
                Err(problem) => problems.push(*problem),
            }
        }
    }
    hosts
}

/// The tool that joins components tells interfaces apart by their types: two imports of one type would be one
/// in the result, and one of them would be missing.
fn one_type(context: &Context<'_>, component: usize, first: &str, second: &str) -> Problem {
    let component = context.name(component);
    let subject = Subject::Import {
        component: component.clone(),
        import: second.to_owned(),
    };
    let reason = Reason::OneType {
        component,
        first: first.to_owned(),
        second: second.to_owned(),
    };
    Problem::new(subject, reason)
}

fn link_of(links: &Links, (component, import): Node) -> Option<&resolve::Link> {
    links.get(component)?.get(import)?.as_ref()
}

/// The host's interface speaks of the host's types: they cannot be replaced by a link.
fn uses_of_linked(context: &Context<'_>, links: &Links, node: Node) -> Option<Problem> {
    let surfaces = &context.surfaces;
    let import = surfaces.import(node.0, node.1)?;
    let ItemKind::Instance(id) = import.kind else {
        return None;
    };
    let interfaces = surfaces.list.get(node.0)?.imports.iter();
    for used in surfaces.types[id].uses.values() {
        let linked = interfaces.clone().enumerate().find_map(|(index, other)| {
            let link = link_of(links, (node.0, index))?;
            (other.kind == ItemKind::Instance(used.interface)).then_some((other, link))
        });
        let Some((other, link)) = linked else { continue };
        let component = context.name(node.0);
        let subject = Subject::Import {
            component: component.clone(),
            import: import.name.clone(),
        };
        let reason = Reason::HostUsesLinked {
            component,
            import: import.name.clone(),
            used: other.name.clone(),
            provider: context.name(link.provider),
        };
        let hint = format!("link `{}` to the same component, or neither", import.name);
        return Some(Problem::new(subject, reason).hint(hint));
    }
    None
}

/// Components, and those that they are linked to, directly or not.
fn reach(links: &Links, entered: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let mut reached: BTreeSet<usize> = entered.into_iter().collect();
    let mut ahead: Vec<usize> = reached.iter().copied().collect();
    while let Some(component) = ahead.pop() {
        for link in links.get(component).into_iter().flatten().flatten() {
            if reached.insert(link.provider) {
                ahead.push(link.provider);
            }
        }
    }
    reached
}

fn planned_imports(
    context: &Context<'_>,
    links: &Links,
    hosts: &Hosts,
    partition: &Partition,
    component: usize,
) -> Vec<PlannedImport> {
    let imports = context
        .surfaces
        .list
        .get(component)
        .map(|surface| surface.imports.as_slice());
    let imports = imports.unwrap_or_default().iter().enumerate();
    imports
        .filter_map(|(index, import)| {
            let node = (component, index);
            let target = match link_of(links, node) {
                Some(link) => Target::Link {
                    provider: link.provider,
                    export: context.surfaces.export(link.provider, link.export)?.name.clone(),
                    chosen: link.chosen,
                    cell: match link.mode {
                        Mode::Isolated => partition.cell_of(link.provider),
                        Mode::Fused => None,
                    },
                },
                None => {
                    let FromHost { need, access, .. } = *hosts.get(&node)?;
                    Target::Host(HostImport { need, access })
                }
            };
            Some(PlannedImport {
                name: import.name.clone(),
                target,
            })
        })
        .collect()
}

fn warnings(context: &Context<'_>, hosts: &Hosts, reached: &BTreeSet<usize>) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for (index, component) in context.app.components.iter().enumerate() {
        let name = &component.name;
        if !reached.contains(&index) {
            let reason = Reason::Unreachable {
                component: name.clone(),
            };
            warnings.push(Problem::new(Subject::Component(name.clone()), reason));
        }
        for kind in &component.granted {
            let uses = |(node, from_host): (&Node, &FromHost)| {
                node.0 == index && from_host.need == Some(Need::Grant(*kind))
            };
            if !hosts.iter().any(uses) {
                let subject = Subject::Grant {
                    component: name.clone(),
                    kind: *kind,
                };
                let component = name.clone();
                warnings.push(Problem::new(
                    subject,
                    Reason::UnusedGrant {
                        component,
                        kind: *kind,
                    },
                ));
            }
        }
    }
    warnings
}

/// Components that no trigger enters, and of which it is said how they are interrupted.
fn unused_interruption(context: &Context<'_>, entries: &[Entry], cells: &[PlannedCell]) -> Vec<Problem> {
    let is_said = |component: &Component| component.interruption.is_some();
    let is_called = |name: &Name| {
        let mut roots = cells.iter().map(|cell| cell.root);
        roots.any(|root| context.name(root) == *name)
    };
    said_in_vain(context, entries, is_said, |_| true)
        .filter(|component| !is_called(component))
        .map(|component| {
            let subject = Subject::Interruption(component.clone());
            Problem::new(subject, Reason::UnusedInterruption { component })
        })
        .collect()
}

/// Components that nobody calls over an isolated link, and of which it is said how such calls go.
fn unused_cells(context: &Context<'_>, cells: &[PlannedCell]) -> Vec<Problem> {
    let is_called = |index: usize| {
        let mut calls = cells.iter().flat_map(|cell| &cell.entry.calls);
        calls.any(|call| call.component == index)
    };
    let components = context.app.components.iter().enumerate();
    components
        .filter(|(index, component)| component.cell != CellSettings::default() && !is_called(*index))
        .map(|(_, component)| {
            let reason = Reason::UnusedCell {
                component: component.name.clone(),
            };
            Problem::new(Subject::Cell(component.name.clone()), reason)
        })
        .collect()
}

/// Components that no request enters, and of which it is said how long their instances live.
fn unused_reuse(context: &Context<'_>, entries: &[Entry]) -> Vec<Problem> {
    let is_said = |component: &Component| component.reuse != Reuse::default();
    said_in_vain(context, entries, is_said, |entry| {
        matches!(entry.kind, EntryKind::Http(_))
    })
    .map(|component| {
        let subject = Subject::Reuse(component.clone());
        Problem::new(subject, Reason::UnusedReuse { component })
    })
    .collect()
}

/// Components of which something is said that counts only where they are entered in a certain way, and that are not.
fn said_in_vain(
    context: &Context<'_>,
    entries: &[Entry],
    is_said: impl Fn(&Component) -> bool,
    counts: impl Fn(&Entry) -> bool,
) -> impl Iterator<Item = Name> {
    let is_entered = move |index: usize| {
        let mut entries = entries.iter();
        entries.any(|entry| entry.component == index && counts(entry))
    };
    let components = context.app.components.iter().enumerate();
    components
        .filter(move |(index, component)| is_said(component) && !is_entered(*index))
        .map(|(_, component)| component.name.clone())
}
