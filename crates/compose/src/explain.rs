//! What a component could do at worst: by itself, and by asking others who can do more.
//!
//! Taken is the worst case of each: a component may pass on whatever an exported function allows, and nothing
//! here knows what its functions do. What no path leads to cannot happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use weft_app::cell::{CellSettings, Lifetime, Restarts};
use weft_app::grant::GrantKind;
use weft_app::trigger::http::{Reuse, RouteTarget};
use weft_app::{App, ComponentLimits, Interruption, Name, Trigger, quantity};

use crate::access::Access;
use crate::entries::EntryKind;
use crate::host::{self, Need};
use crate::plan::{HostImport, Owner, Plan, PlannedComponent, Target};
use crate::shares::Shares;
use crate::words;

/// What one component could do at worst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The component.
    pub component: Name,
    /// Whether it runs, or something that runs is linked to it.
    pub is_reached: bool,
    /// Who calls it from outside, each in a few words; empty where only other components call it.
    pub entered: Vec<String>,
    /// How long its instances live, where requests enter it.
    pub reuse: Option<Reuse>,
    /// How its instances live and what one call may spend, where others call it over isolated links.
    pub cell: Option<String>,
    /// The rest that holds for such calls, each in a few words.
    pub cell_limits: Vec<String>,
    /// The components whose calls over isolated links bring it along, where nobody calls it so itself.
    pub called_with: Vec<Name>,
    /// What makes it look up while it computes, where the manifest says so and a trigger enters it.
    pub interruption: Option<Interruption>,
    /// The components that are entered and that it is joined with, where there are several: it has instances of
    /// its own for each of them.
    pub apart: Vec<Name>,
    /// What it may use of the host itself.
    pub own: Vec<Power>,
    /// What the components that it is linked to, directly or not, may use.
    pub through: Vec<Through>,
    /// Interfaces that it shares with others, so that handles of theirs can come to it.
    pub shared: Vec<Shared>,
    /// What it imports and may not call.
    pub traps: Vec<String>,
    /// What it may spend.
    pub limits: ComponentLimits,
    /// What each of its memories and tables may have of that.
    pub shares: Shares,
}

/// Something that a grant makes possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Power {
    /// The kind of grant.
    pub kind: GrantKind,
    /// What was granted, each in a few words.
    pub granted: Vec<String>,
    /// The interfaces by which it is used.
    pub interfaces: Vec<String>,
}

/// What another component may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// The way there: the component that is asked, the one that this asks, and so on.
    pub path: Vec<Name>,
    /// Whether the way leads into another cell.
    pub is_isolated: bool,
    /// What the last of them may use.
    pub powers: Vec<Power>,
}

/// Interfaces that several components have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The others.
    pub with: Vec<Name>,
    /// The interfaces.
    pub interfaces: Vec<String>,
}

/// Explains what a component could do at worst; nothing where the app has none of that name.
#[must_use]
pub fn explain(app: &App, plan: &Plan, component: &Name) -> Option<Explanation> {
    let index = plan
        .components()
        .iter()
        .position(|planned| planned.name == *component)?;
    let planned = plan.components().get(index)?;
    Some(Explanation {
        component: component.clone(),
        is_reached: planned.is_reached,
        entered: entered(plan, index),
        reuse: reuse(app, plan, index),
        cell: cell(app, plan, index),
        cell_limits: cell_limits(app, plan, index),
        called_with: called_with(plan, index),
        interruption: interruption(app, plan, index),
        apart: apart(plan, index),
        own: powers(app, plan, index),
        through: through(app, plan, index),
        shared: shared(plan, index),
        traps: host_imports(planned)
            .filter(|(_, import)| import.access == Access::Trap)
            .map(|(name, _)| name.to_owned())
            .collect(),
        limits: planned.limits,
        shares: planned.shares,
    })
}

/// Keys that begin so.
fn keys(prefix: &str) -> String {
    match prefix {
        "" => "keys".to_owned(),
        prefix => format!("keys that begin with `{prefix}`"),
    }
}

/// What calls a component from outside.
fn entered(plan: &Plan, component: usize) -> Vec<String> {
    let Some(name) = plan.components().get(component).map(|planned| &planned.name) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for trigger in plan.triggers() {
        match trigger {
            Trigger::Command { component, .. } if component == name => {
                lines.push("the command line".to_owned());
            }
            Trigger::Messages(messages) if messages.component == *name => lines.push(format!(
                "messages of `{}` in queue {} (trigger `{}`)",
                messages.subject, messages.queue.name, messages.name
            )),
            Trigger::KeyValue(keyvalue) if keyvalue.component == *name => lines.push(format!(
                "changes of {} in store {} (trigger `{}`)",
                keys(&keyvalue.prefix_in_store()),
                keyvalue.bucket.store.name,
                keyvalue.name
            )),
            Trigger::Schedule(schedule) if schedule.component == *name => {
                lines.push(format!("the clock (trigger `{}`)", schedule.name));
            }
            Trigger::Command { .. } | Trigger::Messages(_) | Trigger::KeyValue(_) | Trigger::Schedule(_) => {}
            Trigger::Http(http) => {
                let routes = http
                    .routes
                    .iter()
                    .filter(|route| matches!(&route.target, RouteTarget::Component(to) if to == name));
                lines.extend(
                    routes.map(|route| format!("HTTP requests for {route} (route `{}`)", route.name)),
                );
            }
        }
    }
    lines
}

fn interruption(app: &App, plan: &Plan, component: usize) -> Option<Interruption> {
    let mut entries = plan.entries().iter();
    let is_entered = entries.any(|entry| entry.component == component);
    app.components.get(component).filter(|_| is_entered)?.interruption
}

/// How a component behaves that others call over isolated links, in a few words.
pub(crate) fn cell(app: &App, plan: &Plan, component: usize) -> Option<String> {
    let settings = cell_settings(app, plan, component)?;
    let mut text = settings.lifetime.to_string();
    let mut add = |what: &str, time: Option<std::time::Duration>| {
        if let Some(time) = time {
            text.push_str(&format!(", {what} of a call {}", quantity::show_duration(time)));
        }
    };
    add("time", settings.wall_time_max);
    add("processor time", settings.cpu_time_max);
    Some(text)
}

fn cell_settings(app: &App, plan: &Plan, component: usize) -> Option<CellSettings> {
    let mut calls = plan.cells().iter().flat_map(|cell| &cell.entry.calls);
    calls.find(|call| call.component == component)?;
    Some(app.components.get(component)?.cell)
}

fn cell_limits(app: &App, plan: &Plan, component: usize) -> Vec<String> {
    let Some(settings) = cell_settings(app, plan, component) else {
        return Vec::new();
    };
    let mut limits = vec![
        format!("{} handles of the host open at a time", settings.handles_max),
        format!("calls nested {} deep", settings.depth_max),
    ];
    match settings.lifetime {
        Lifetime::Request => {}
        Lifetime::Pooled { idle_max, .. } => {
            limits.push(format!("{idle_max} instances that wait for the next caller"));
        }
        Lifetime::Shared => {
            let Restarts {
                intensity,
                period,
                backoff_min,
                backoff_max,
            } = settings.restarts;
            let show = quantity::show_duration;
            limits.push(format!(
                "started anew after {} to {}, and left alone after {intensity} failures in {}",
                show(backoff_min),
                show(backoff_max),
                show(period)
            ));
        }
    }
    limits
}

/// The called components of the cell that a component is in, where it is none of them.
fn called_with(plan: &Plan, component: usize) -> Vec<Name> {
    let mut cells = plan.cells().iter().map(|cell| &cell.entry);
    let Some(cell) = cells.find(|cell| cell.members.contains(&component)) else {
        return Vec::new();
    };
    let called: BTreeSet<usize> = cell.calls.iter().map(|call| call.component).collect();
    if called.contains(&component) {
        return Vec::new();
    }
    let names = called.iter().filter_map(|called| plan.components().get(*called));
    names.map(|of| of.name.clone()).collect()
}

/// How long instances of a component live, where requests enter it.
pub(crate) fn reuse(app: &App, plan: &Plan, component: usize) -> Option<Reuse> {
    let is_entered = plan
        .entries()
        .iter()
        .any(|entry| entry.component == component && matches!(entry.kind, EntryKind::Http(_)));
    is_entered.then_some(app.components.get(component)?.reuse)
}

/// The components that are entered and that a component is joined with, where there are several.
fn apart(plan: &Plan, component: usize) -> Vec<Name> {
    let entries = plan
        .entries()
        .iter()
        .filter(|entry| entry.members.contains(&component));
    let names: Vec<Name> = entries
        .filter_map(|entry| Some(plan.components().get(entry.component)?.name.clone()))
        .collect();
    if names.len() > 1 { names } else { Vec::new() }
}

fn host_imports(component: &PlannedComponent) -> impl Iterator<Item = (&str, &HostImport)> {
    component
        .imports
        .iter()
        .filter_map(|import| match &import.target {
            Target::Host(host) => Some((import.name.as_str(), host)),
            Target::Link { .. } => None,
        })
}

/// What a component may use of the host, by kind.
pub(crate) fn powers(app: &App, plan: &Plan, component: usize) -> Vec<Power> {
    let (Some(planned), Some(described)) = (plan.components().get(component), app.components.get(component))
    else {
        return Vec::new();
    };
    let mut powers: Vec<Power> = Vec::new();
    for (name, import) in host_imports(planned) {
        let (Some(Need::Grant(kind)), Access::Granted) = (import.need, import.access) else {
            continue;
        };
        // Sharing an import for its types gives nobody a function: those who name no function need no grant.
        if !described.granted.contains(&kind) {
            continue;
        }
        match powers.iter_mut().find(|power| power.kind == kind) {
            Some(power) => power.interfaces.push(name.to_owned()),
            None => powers.push(Power {
                kind,
                granted: words::granted(kind, &described.grants),
                interfaces: vec![name.to_owned()],
            }),
        }
    }
    powers.sort_by_key(|power| power.kind);
    powers
}

/// Every component that can be asked, nearest first, with what it may use.
fn through(app: &App, plan: &Plan, component: usize) -> Vec<Through> {
    let mut seen = BTreeSet::from([component]);
    let mut ahead: Vec<(usize, bool, Vec<Name>)> = vec![(component, false, Vec::new())];
    let mut found = Vec::new();
    let mut next = 0;
    while let Some((at, is_away, path)) = ahead.get(next).cloned() {
        next += 1;
        for (provider, is_isolated) in providers(plan, at) {
            let Some(planned) = plan.components().get(provider) else {
                continue;
            };
            if !seen.insert(provider) {
                continue;
            }
            let mut path = path.clone();
            path.push(planned.name.clone());
            let is_isolated = is_away || is_isolated;
            found.push(Through {
                path: path.clone(),
                is_isolated,
                powers: powers(app, plan, provider),
            });
            ahead.push((provider, is_isolated, path));
        }
    }
    found
}

/// Whom a component asks, and whether in another cell.
fn providers(plan: &Plan, component: usize) -> BTreeMap<usize, bool> {
    let imports = plan
        .components()
        .get(component)
        .map(|planned| planned.imports.as_slice());
    let targets = imports.unwrap_or_default().iter();
    targets
        .filter_map(|import| match &import.target {
            Target::Link { provider, cell, .. } => Some((*provider, cell.is_some())),
            Target::Host(_) => None,
        })
        .collect()
}

/// With whom a component shares which interfaces.
pub(crate) fn shared(plan: &Plan, component: usize) -> Vec<Shared> {
    let Some(planned) = plan.components().get(component) else {
        return Vec::new();
    };
    let mut all: Vec<(Vec<usize>, Vec<String>)> = Vec::new();
    let owned = planned.imports.iter().enumerate().flat_map(|(index, import)| {
        let cells = plan.cells().iter().map(|cell| &cell.entry);
        let entries = plan.entries().iter().chain(cells);
        entries.filter_map(move |entry| Some((import.name.as_str(), &entry.import(component, index)?.owner)))
    });
    for (name, owner) in owned {
        let Owner::Group { members, .. } = owner else {
            continue;
        };
        match all.iter_mut().find(|(known, _)| known == members) {
            // Another way into the app may lead to the same group.
            Some((_, interfaces)) if interfaces.iter().any(|known| known == name) => {}
            Some((_, interfaces)) => interfaces.push(name.to_owned()),
            None => all.push((members.clone(), vec![name.to_owned()])),
        }
    }
    let named = |members: Vec<usize>| {
        let others = members.into_iter().filter(|member| *member != component);
        others
            .filter_map(|member| plan.components().get(member))
            .map(|other| other.name.clone())
            .collect()
    };
    all.into_iter()
        .map(|(members, interfaces)| Shared {
            with: named(members),
            interfaces,
        })
        .collect()
}

impl fmt::Display for Power {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = if self.granted.is_empty() {
            "none".to_owned()
        } else {
            self.granted.join(", ")
        };
        write!(out, "{}: {granted}", host::describe(self.kind))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "what `{}` could do at worst", self.component)?;
        if !self.is_reached {
            writeln!(out, "  nothing: it is left out, no trigger or link leads to it")?;
            return Ok(());
        }
        if !self.entered.is_empty() {
            writeln!(out, "  entered by")?;
            for entered in &self.entered {
                writeln!(out, "    {entered}")?;
            }
        }
        if let Some(cell) = &self.cell {
            writeln!(out, "  called over isolated links: {cell}")?;
            for limit in &self.cell_limits {
                writeln!(out, "    {limit}")?;
            }
        }
        if !self.called_with.is_empty() {
            let called = crate::problem::enumerate(&self.called_with);
            writeln!(out, "  in the cell of {called}")?;
        }
        if let Some(reuse) = &self.reuse {
            writeln!(out, "  with {reuse}")?;
        }
        match self.interruption {
            Some(Interruption::None) => {
                writeln!(out, "  and holds its thread for as long as it computes")?;
            }
            Some(how) => writeln!(out, "  and looks up while it computes ({how})")?,
            None => {}
        }
        if !self.apart.is_empty() {
            let apart = crate::problem::enumerate(&self.apart);
            writeln!(out, "  in instances of its own for each of {apart}")?;
        }
        writeln!(out, "  by itself")?;
        write_powers(out, &self.own)?;
        for through in &self.through {
            let names: Vec<String> = through.path.iter().map(|name| format!("`{name}`")).collect();
            let cell = if through.is_isolated {
                " (in another cell)"
            } else {
                ""
            };
            writeln!(out, "  by asking {}{cell}", names.join(", which asks "))?;
            write_powers(out, &through.powers)?;
        }
        for shared in &self.shared {
            let with = crate::problem::enumerate(&shared.with);
            writeln!(out, "  with handles that {with} may hand to it")?;
            for interface in &shared.interfaces {
                writeln!(out, "    {interface}")?;
            }
        }
        if !self.traps.is_empty() {
            writeln!(out, "  ending the app by calling what it may not")?;
            for import in &self.traps {
                writeln!(out, "    {import}")?;
            }
        }
        writeln!(out, "  within its limits")?;
        let (limits, shares) = (&self.limits, &self.shares);
        let memory = quantity::show_bytes(limits.memory_bytes_max);
        let share = quantity::show_bytes(shares.memory_bytes_max);
        write_limit(out, &format!("{memory} of memory"), shares.memories, &share)?;
        let elements = format!("{} elements of tables", limits.table_elements_max);
        write_limit(
            out,
            &elements,
            shares.tables,
            &shares.table_elements_max.to_string(),
        )
    }
}

/// A limit, and what comes of it for each where several share it.
fn write_limit(out: &mut fmt::Formatter<'_>, limit: &str, count: u64, share: &str) -> fmt::Result {
    match count {
        0 | 1 => writeln!(out, "    {limit}"),
        _ => writeln!(out, "    {limit}, {share} for each of {count}"),
    }
}

fn write_powers(out: &mut fmt::Formatter<'_>, powers: &[Power]) -> fmt::Result {
    if powers.is_empty() {
        return writeln!(out, "    nothing of the host");
    }
    for power in powers {
        writeln!(out, "    {power}")?;
        for interface in &power.interfaces {
            writeln!(out, "      by {interface}")?;
        }
    }
    Ok(())
}
