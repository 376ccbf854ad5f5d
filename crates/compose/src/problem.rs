//! What is wrong with an app, each thing with its place, its reason, and what would cure it.

use std::fmt;

use weft_app::Name;
use weft_app::grant::GrantKind;

use crate::{clamp, host, surface};

/// One thing that is wrong with an app, or that is worth a warning.
#[derive(Debug)]
pub struct Problem {
    /// What it is about, for finding its place in a manifest.
    pub subject: Subject,
    /// What is wrong.
    pub reason: Reason,
    /// What would cure it.
    pub hint: Option<String>,
    /// The WIT that it is about: what is asked for, and what is offered.
    pub wit: Vec<Excerpt>,
}

/// A part of an app that a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The app as a whole.
    App,
    /// A component.
    Component(Name),
    /// An import of a component.
    Import {
        /// The component.
        component: Name,
        /// The name of the import.
        import: String,
    },
    /// One rule among the links of a component.
    Link {
        /// The component whose links these are.
        component: Name,
        /// Which of them, as [`weft_app::Component::links`] has them.
        rule: usize,
    },
    /// One kind of grants of a component.
    Grant {
        /// The component.
        component: Name,
        /// The kind.
        kind: GrantKind,
    },
    /// The limits of a component.
    Limits(Name),
    /// What makes a component look up while it computes.
    Interruption(Name),
    /// How a component behaves that others call over isolated links.
    Cell(Name),
    /// How long instances of a component live.
    Reuse(Name),
    /// A trigger, as [`weft_app::App::triggers`] has them.
    Trigger(usize),
    /// A route of a trigger; where the manifest has none, the one that stands for all of them.
    Route {
        /// The trigger, as [`weft_app::App::triggers`] has them.
        trigger: usize,
        /// Which of its routes.
        route: usize,
    },
}

/// Some WIT, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Whose it is, such as ``component `cart` asks for``.
    pub of: String,
    /// The text; cut off where it is long.
    pub text: String,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// A component of the app came without bytes, or with two files.
    #[error("{count} files were given for component `{component}`, expected 1")]
    Parts {
        /// The component.
        component: Name,
        /// How many there were.
        count: usize,
    },
    /// The bytes of a component do not do.
    #[error("component `{component}` cannot be used")]
    Unusable {
        /// The component.
        component: Name,
        /// Why.
        #[source]
        cause: surface::Error,
    },
    /// A component begins with more than its limits allow.
    #[error("component `{component}` does not fit its limits")]
    BeyondLimits {
        /// The component.
        component: Name,
        /// Why.
        #[source]
        cause: clamp::Error,
    },
    /// A link leads to a component that the app does not have.
    #[error("component `{component}` is linked to `{provider}`, which the app does not have")]
    UnknownProvider {
        /// The component.
        component: Name,
        /// The component that is missing.
        provider: Name,
    },
    /// A link leads to the component itself.
    #[error("component `{component}` is linked to itself")]
    LinkedToItself {
        /// The component.
        component: Name,
    },
    /// A link is about nothing that the component imports.
    #[error("no import of component `{component}` is what the link `{pattern}` to `{provider}` is about")]
    UnusedLink {
        /// The component.
        component: Name,
        /// What the link is about.
        pattern: String,
        /// The component that it leads to.
        provider: Name,
    },
    /// Two links are about one import.
    #[error("import `{import}` of component `{component}` is linked to `{first}` and to `{second}`")]
    TwoLinks {
        /// The component.
        component: Name,
        /// The import.
        import: String,
        /// Where the one leads.
        first: Name,
        /// Where the other leads.
        second: Name,
    },
    /// The component that a link leads to does not offer what is asked.
    #[error("component `{component}` asks `{provider}` for `{asked}`, which it does not export")]
    ExportMissing {
        /// The component.
        component: Name,
        /// The component that it is linked to.
        provider: Name,
        /// What it asks for.
        asked: String,
    },
    /// What is asked for exists in other versions only.
    #[error(
        "component `{component}` asks for `{import}`; there is {offered}, which is no later version of the same track"
    )]
    VersionMismatch {
        /// The component.
        component: Name,
        /// What it asks for.
        import: String,
        /// What is offered, and by whom.
        offered: String,
    },
    /// Several components offer what is asked.
    #[error("component `{component}` asks for `{import}`, which {providers} export")]
    Ambiguous {
        /// The component.
        component: Name,
        /// What it asks for.
        import: String,
        /// Who offers it.
        providers: String,
    },
    /// Nobody offers what is asked.
    #[error(
        "component `{component}` imports `{import}`, which no other component exports and the host does not offer"
    )]
    NoProvider {
        /// The component.
        component: Name,
        /// What it asks for.
        import: String,
    },
    /// The types on both ends of a link differ.
    #[error(
        "import `{import}` of component `{component}` and export `{export}` of `{provider}` differ: {difference}"
    )]
    TypeMismatch {
        /// The component.
        component: Name,
        /// What it asks for.
        import: String,
        /// The component that it is linked to.
        provider: Name,
        /// What that one offers.
        export: String,
        /// Where they differ, from the outside inwards.
        difference: String,
    },
    /// Components need each other before any of them can begin.
    #[error("the links lead in a circle: {path}")]
    Cycle {
        /// The components, with what each asks of the next.
        path: String,
    },
    /// An import needs a grant that is not there.
    #[error("component `{component}` imports `{import}`, which nothing grants: it needs a grant for {}", host::describe(*.kind))]
    NotGranted {
        /// The component.
        component: Name,
        /// The import.
        import: String,
        /// The kind of grant that it needs.
        kind: GrantKind,
    },
    /// The host offers an interface, but not in this version.
    #[error("component `{component}` imports `{import}`; the host has version {offered} of it")]
    HostVersion {
        /// The component.
        component: Name,
        /// The import.
        import: String,
        /// What the host has.
        offered: &'static str,
    },
    /// An import that is neither an interface nor linked.
    #[error(
        "component `{component}` imports the {kind} `{import}`, which only a link could satisfy{because}"
    )]
    OnlyByLink {
        /// The component.
        component: Name,
        /// The import.
        import: String,
        /// What kind of thing it is.
        kind: &'static str,
        /// Why even a link cannot, where that is so.
        because: &'static str,
    },
    /// A handle crosses a link, and its two ends mean different things by it.
    #[error(
        "over the link of `{component}` to `{provider}` for `{import}` flow handles of type `{resource}`, which {here} on one end and {there} on the other"
    )]
    ForeignHandle {
        /// The component.
        component: Name,
        /// The component that it is linked to.
        provider: Name,
        /// What the link is about.
        import: String,
        /// The type of the handles.
        resource: String,
        /// What the one end says of them.
        here: String,
        /// What the other end says of them.
        there: String,
    },
    /// Two components would have to share an interface of the host, but not everything that it gives.
    #[error("handles flow between components `{first}` and `{second}`, so they must share `{interface}`, but they were not granted the same {}", .kind.map_or("rights to it", host::describe))]
    UnequalGrants {
        /// The one component.
        first: Name,
        /// The other.
        second: Name,
        /// What they would have to share.
        interface: String,
        /// The kind of grant that differs; none where the host does not know the interface.
        kind: Option<GrantKind>,
    },
    /// One component would have to share two versions of one interface.
    #[error(
        "component `{component}` imports both `{first}` and `{second}`, and handles of both flow over its links: they would have to be one"
    )]
    TwoVersions {
        /// The component.
        component: Name,
        /// The one version.
        first: String,
        /// The other.
        second: String,
    },
    /// Two imports of one component have one type in its bytes, and would become one import.
    #[error(
        "component `{component}` imports `{first}` and `{second}` by one and the same type, and they could not be kept apart"
    )]
    OneType {
        /// The component.
        component: Name,
        /// The one import.
        first: String,
        /// The other.
        second: String,
    },
    /// An interface of the host speaks of types that a link replaces.
    #[error(
        "component `{component}` gets `{import}` from the host, but `{used}`, whose types it speaks of, from `{provider}`"
    )]
    HostUsesLinked {
        /// The component.
        component: Name,
        /// What the host offers.
        import: String,
        /// What the component is linked to.
        used: String,
        /// The component that it is linked to.
        provider: Name,
    },
    /// Nothing can be run.
    #[error(
        "no component exports `wasi:cli/run` or a handler of HTTP, and no trigger says what runs the app"
    )]
    NothingRuns,
    /// Requests come in and nobody could answer them.
    #[error("no component exports a handler of HTTP, so nobody could answer requests")]
    NothingAnswers,
    /// It is not clear who is to answer.
    #[error("{components} export a handler of HTTP, and no route says which of them is to answer")]
    SeveralAnswer {
        /// The components.
        components: String,
    },
    /// A route leads to something that cannot answer.
    #[error(
        "route `{route}` leads to component `{component}`, which answers no HTTP requests: it exports neither `wasi:http/incoming-handler` (WASI 0.2) nor `wasi:http/handler` (0.3)"
    )]
    NotAHandler {
        /// The route.
        route: Name,
        /// The component.
        component: Name,
    },
    /// A component exports a handler that is not entered.
    #[error(
        "component `{component}` exports `{export}`; requests are handed to `wasi:http/incoming-handler` of 0.2.0 to 0.2.12 and to `wasi:http/handler` of 0.3"
    )]
    HandlerVersion {
        /// The component.
        component: Name,
        /// What it exports.
        export: String,
    },
    /// A trigger hands messages to a component that takes none.
    #[error(
        "component `{component}` takes no messages: it exports neither `wasi:messaging/incoming-handler@0.2.0-draft` nor `wasmcloud:messaging/handler` of 0.2.0 or 0.3.0"
    )]
    TakesNoMessages {
        /// The component.
        component: Name,
    },
    /// A component takes messages in a version that is not entered.
    #[error(
        "component `{component}` exports `{export}`; messages are handed to `wasi:messaging/incoming-handler@0.2.0-draft` and to `wasmcloud:messaging/handler` of 0.2.0 and 0.3.0"
    )]
    MessageVersion {
        /// The component.
        component: Name,
        /// What it exports.
        export: String,
    },
    /// A trigger tells a component of changed keys that does not listen.
    #[error(
        "component `{component}` is told of no changed keys: it exports neither `wasi:keyvalue/watcher` of 0.2.0-draft or 0.2.0-draft2 nor `wasmcloud:keyvalue/watcher@0.2.0`"
    )]
    HearsOfNoKeys {
        /// The component.
        component: Name,
    },
    /// A component is told of changed keys in a version that is not entered.
    #[error(
        "component `{component}` exports `{export}`; of changed keys are told `wasi:keyvalue/watcher` of 0.2.0-draft and 0.2.0-draft2 and `wasmcloud:keyvalue/watcher@0.2.0`"
    )]
    WatcherVersion {
        /// The component.
        component: Name,
        /// What it exports.
        export: String,
    },
    /// A component cannot answer several requests at the same time.
    #[error(
        "component `{component}` exports `{export}`, and an instance of WASI 0.2 answers one request at a time, not {concurrent}"
    )]
    OneAtATime {
        /// The component.
        component: Name,
        /// What it is entered by.
        export: String,
        /// What was asked for.
        concurrent: u32,
    },
    /// How it is interrupted was said of a component that no trigger enters.
    #[error(
        "component `{component}` has `interruption`, and no trigger leads to it: what those have holds that are linked to it"
    )]
    UnusedInterruption {
        /// The component.
        component: Name,
    },
    /// How long instances live was said of a component that no request enters.
    #[error(
        "component `{component}` has `reuse`, and no route leads to it: its instances live as long as those that are linked to it"
    )]
    UnusedReuse {
        /// The component.
        component: Name,
    },
    /// It is not clear what is to be run.
    #[error("{components} export `wasi:cli/run`, and no trigger says which of them is to run")]
    SeveralRun {
        /// The components.
        components: String,
    },
    /// A trigger names a component that the app does not have.
    #[error("a trigger runs component `{component}`, which the app does not have")]
    UnknownTriggered {
        /// The component.
        component: Name,
    },
    /// A trigger runs something that cannot be run that way.
    #[error("a trigger runs component `{component}` as a command, but it does not export `wasi:cli/run`")]
    NotACommand {
        /// The component.
        component: Name,
    },
    /// Two triggers want two components to be what the app exports.
    #[error("triggers run `{first}` and `{second}` as commands; one app can have one command")]
    TwoCommands {
        /// The one component.
        first: Name,
        /// The other.
        second: Name,
    },
    /// An isolated link between components that fused links make one cell.
    #[error(
        "the link of `{component}` to `{provider}` for `{import}` is isolated, but fused links make one cell of both: {path}"
    )]
    OneCell {
        /// The component.
        component: Name,
        /// The component that it is linked to.
        provider: Name,
        /// What the link is about.
        import: String,
        /// The components that the fused links join, from the one to the other.
        path: String,
    },
    /// Cells that call each other.
    #[error("cells call each other in a circle: {path}")]
    CellCircle {
        /// Who calls whom.
        path: String,
    },
    /// Two components of one cell that are both called, and of which different things are said.
    #[error("`{first}` and `{second}` are one cell, and their `cell` tables say different things")]
    TwoCellSettings {
        /// The one component.
        first: Name,
        /// The other.
        second: Name,
    },
    /// Something that cannot go from one cell to another.
    #[error("`{import}` of component `{component}` cannot be linked to `{provider}` by an isolated link: {}{what}, which cannot cross it", in_function(.function))]
    DoesNotCross {
        /// The component.
        component: Name,
        /// The component that it is linked to.
        provider: Name,
        /// What the link is about.
        import: String,
        /// The function that takes or returns it; empty where the import is the function.
        function: String,
        /// What it is.
        what: String,
    },
    /// What a failed call is to give is no result of its function.
    #[error("`{text}` cannot stand for the results of `{function}` of `{import}`: {problem}")]
    OnFailure {
        /// The import.
        import: String,
        /// The function.
        function: String,
        /// What was written.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something is said of a function that the link does not have.
    #[error("the link for {imports} speaks of `{function}`, which is no function of it")]
    FunctionUnknown {
        /// What the link is about.
        imports: String,
        /// The function.
        function: String,
    },
    /// Calls that take or return handles cannot be made again.
    #[error(
        "calls of `{function}` of `{import}` cannot be made again: it takes or returns handles, which belong to the instance that failed"
    )]
    RetryOfHandles {
        /// The import.
        import: String,
        /// The function.
        function: String,
    },
    /// Something is said of a cell that nobody calls.
    #[error("component `{component}` has `cell`, and no isolated link leads to it")]
    UnusedCell {
        /// The component.
        component: Name,
    },
    /// A grant that no import makes use of.
    #[error("component `{component}` is granted {}, and imports nothing that needs it", host::describe(*.kind))]
    UnusedGrant {
        /// The component.
        component: Name,
        /// The kind of grant.
        kind: GrantKind,
    },
    /// A component that nothing leads to.
    #[error("component `{component}` is left out: no trigger runs it, and nothing that runs is linked to it")]
    Unreachable {
        /// The component.
        component: Name,
    },
}

impl Problem {
    pub(crate) fn new(subject: Subject, reason: Reason) -> Self {
        Self {
            subject,
            reason,
            hint: None,
            wit: Vec::new(),
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn wit(mut self, wit: Vec<Excerpt>) -> Self {
        self.wit = wit;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(out)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.reason)
    }
}

fn in_function(function: &str) -> String {
    match function {
        "" => String::new(),
        name => format!("`{name}` takes or gives "),
    }
}

/// Names in one sentence: `` `a`, `b` and `c` ``.
pub(crate) fn enumerate<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
