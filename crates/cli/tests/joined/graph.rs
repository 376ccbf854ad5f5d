//! Apps by chance, as plain data: which components, what they offer, what they ask of whom and of the host.

use weft_compose::Reason;

/// Directories that are granted to components, by name.
pub(crate) const DIRECTORIES: [&str; 2] = ["left", "right"];

/// The shape of what is offered and asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `u32` to `u32`.
    Number,
    /// `string` to `string`.
    Text,
    /// `list<u8>` to `list<u8>`.
    Bytes,
    /// A tuple of five to a tuple of two.
    Tuple,
    /// A resource that the provider owns, with a constructor and a method.
    Counter,
    /// A handle of the host's that the provider gives away.
    Directory,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Number,
        Self::Text,
        Self::Bytes,
        Self::Tuple,
        Self::Counter,
        Self::Directory,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Tuple => "tuple",
            Self::Counter => "counter",
            Self::Directory => "directory",
        }
    }

    fn is_one_function(self) -> bool {
        !matches!(self, Self::Counter | Self::Directory)
    }
}

/// An export of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) kind: Kind,
    /// An interface, or a function where there is no `/` in it.
    pub(crate) name: String,
}

/// An import of a component that another satisfies.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) provider: usize,
    /// The export that it is to be linked to.
    pub(crate) offered: String,
}

/// What a component asks of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Environment,
    Config,
    Preopens,
}

/// A rule that a manifest would have.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) imports: String,
    pub(crate) provider: usize,
    pub(crate) export: Option<String>,
}

/// One component.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// What makes its answers its own.
    pub(crate) salt: u32,
    pub(crate) offers: Vec<Offer>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) host: Vec<Host>,
    /// The patch version of the interfaces of WASI that it speaks.
    pub(crate) patch: u32,
    /// Environment, configuration and directory that it was granted.
    pub(crate) variable: String,
    pub(crate) setting: Option<String>,
    pub(crate) directory: usize,
    /// What it asks of the host and is not granted.
    pub(crate) withheld: Option<Host>,
    /// Whether using that is a trap instead of an error.
    pub(crate) traps: bool,
    pub(crate) rules: Vec<Rule>,
}

impl Node {
    /// Whether it knows the host's type of directories.
    pub(crate) fn has_directories(&self) -> bool {
        self.host.contains(&Host::Preopens) || self.asks.iter().any(|ask| ask.kind == Kind::Directory)
    }
}

/// What is wrong with an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Something of the host is not granted.
    Withheld,
    /// Two components offer one name, and no rule chooses.
    Ambiguous,
    /// Links lead in a circle.
    Circle,
    /// Nobody offers what is asked.
    Absent,
    /// What is offered is older than what is asked.
    Old,
    /// What is offered has another type.
    Type,
}

impl Fault {
    pub(crate) const ALL: [Self; 6] = [
        Self::Withheld,
        Self::Ambiguous,
        Self::Circle,
        Self::Absent,
        Self::Old,
        Self::Type,
    ];

    /// Whether this is the reason that the fault must be refused for.
    pub(crate) fn is_told_by(self, reason: &Reason) -> bool {
        match self {
            Self::Withheld => matches!(reason, Reason::NotGranted { .. }),
            Self::Ambiguous => matches!(reason, Reason::Ambiguous { .. }),
            Self::Circle => matches!(reason, Reason::Cycle { .. }),
            Self::Absent => matches!(reason, Reason::NoProvider { .. }),
            Self::Old => matches!(reason, Reason::VersionMismatch { .. }),
            Self::Type => matches!(reason, Reason::TypeMismatch { .. }),
        }
    }
}

/// An app. The first component is run.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) fault: Option<Fault>,
}

impl Graph {
    pub(crate) fn by_chance(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let count = 2 + chance.below(5);
        let mut graph = Self {
            nodes: (0..count).map(|index| node(&mut chance, index)).collect(),
            fault: None,
        };
        for index in 0..count {
            graph.ask_others(&mut chance, index);
        }
        if chance.one_in(4) {
            let fault = chance.pick(&Fault::ALL);
            graph.fault = graph.put(fault, &mut chance).then_some(fault);
        }
        graph
    }

    /// All links together.
    pub(crate) fn links(&self) -> usize {
        self.nodes.iter().map(|node| node.asks.len()).sum()
    }

    /// The components that run, or that something which runs is linked to.
    pub(crate) fn reached(&self) -> Vec<usize> {
        let mut reached = vec![0];
        let mut at = 0;
        while let Some(&index) = reached.get(at) {
            for ask in &self.nodes[index].asks {
                if !reached.contains(&ask.provider) {
                    reached.push(ask.provider);
                }
            }
            at += 1;
        }
        reached.sort_unstable();
        reached
    }

    /// Lets a component ask up to three things of later ones.
    fn ask_others(&mut self, chance: &mut Chance, index: usize) {
        let later: Vec<usize> = (index + 1..self.nodes.len()).collect();
        let mut asks: Vec<Ask> = Vec::new();
        let mut rules = Vec::new();
        for _ in 0..chance.below(4) {
            if later.is_empty() {
                break;
            }
            let provider = chance.pick(&later);
            let offer = chance.pick(&self.nodes[provider].offers);
            let (ask, rule) = ask(chance, provider, &offer);
            // What has a name that others have too is asked of one provider only, by whatever rule.
            let is_common = |name: &str| name.starts_with("gen:any/");
            let clashes = asks.iter().any(|other| {
                other.name == ask.name
                    || (is_common(&other.name) && is_common(&ask.name) && other.provider != provider)
            });
            if clashes {
                continue;
            }
            asks.push(ask);
            rules.extend(rule);
        }
        if let Some(common) = asks.iter().find(|ask| ask.name.starts_with("gen:any/")) {
            let rest = ["*", "gen:any"].map(str::to_owned);
            let by_name = asks.iter().filter(|ask| ask.name.starts_with("gen:any/"));
            let mut names: Vec<String> = by_name.map(|ask| ask.name.clone()).collect();
            let provider = common.provider;
            if chance.one_in(2) {
                names = vec![chance.pick(&rest)];
            }
            rules.extend(names.into_iter().map(|imports| Rule {
                imports,
                provider,
                export: None,
            }));
        }
        self.nodes[index].asks = asks;
        self.nodes[index].rules = rules;
    }

    /// Breaks an app, if it has the place for it.
    fn put(&mut self, fault: Fault, chance: &mut Chance) -> bool {
        let count = self.nodes.len();
        let index = chance.below(count);
        let provider = 1 + chance.below(count - 1);
        let other = if index == provider { 0 } else { index };
        let ask = |kind: Kind, name: &str| Ask {
            kind,
            name: name.to_owned(),
            provider,
            offered: name.to_owned(),
        };
        let offer = |kind: Kind, name: &str| Offer {
            kind,
            name: name.to_owned(),
        };
        let (number, text) = (Kind::Number, Kind::Text);
        match fault {
            Fault::Withheld => {
                let node = &mut self.nodes[index];
                let Some(&withheld) = node.host.first() else {
                    return false;
                };
                (node.withheld, node.traps) = (Some(withheld), false);
            }
            Fault::Ambiguous => {
                if count < 3 {
                    return false;
                }
                for node in &mut self.nodes[1..] {
                    node.offers.push(offer(number, "gen:two/number@1.0.0"));
                }
                // A rule for everything would choose.
                for rule in &mut self.nodes[0].rules {
                    rule.imports = rule.imports.replace('*', "gen:any");
                }
                self.nodes[0].asks.push(ask(number, "gen:two/number@1.0.0"));
            }
            Fault::Circle => {
                let Some((consumer, provider)) = self.some_link() else {
                    return false;
                };
                self.nodes[consumer]
                    .offers
                    .push(offer(number, "gen:back/number@1.0.0"));
                self.nodes[provider].asks.push(Ask {
                    provider: consumer,
                    ..ask(number, "gen:back/number@1.0.0")
                });
            }
            Fault::Absent => {
                // Where it may trap, nobody need offer it.
                self.nodes[index].traps = false;
                self.nodes[index]
                    .asks
                    .push(ask(number, "gen:nobody/number@1.0.0"));
            }
            Fault::Old => {
                self.nodes[provider]
                    .offers
                    .push(offer(number, "gen:old/number@1.1.0"));
                self.nodes[other].asks.push(ask(number, "gen:old/number@1.2.0"));
            }
            Fault::Type => {
                self.nodes[provider]
                    .offers
                    .push(offer(text, "gen:type/number@1.0.0"));
                self.nodes[other].asks.push(ask(number, "gen:type/number@1.0.0"));
            }
        }
        true
    }

    fn some_link(&self) -> Option<(usize, usize)> {
        let mut nodes = self.nodes.iter().enumerate();
        nodes.find_map(|(index, node)| Some((index, node.asks.first()?.provider)))
    }
}

fn node(chance: &mut Chance, index: usize) -> Node {
    let names = ["main", "auth", "log", "g1-shared", "wasi", "gen"];
    let mut host: Vec<Host> = [Host::Environment, Host::Config, Host::Preopens]
        .into_iter()
        .filter(|_| chance.one_in(2))
        .collect();
    let mut offers: Vec<Offer> = Vec::new();
    if index > 0 {
        for _ in 0..1 + chance.below(3) {
            let kind = chance.pick(&Kind::ALL);
            let name = match chance.below(4) {
                0 if kind.is_one_function() => format!("{}-of-p{index}", kind.word()),
                1 => format!("gen:any/{}@1.0.0", kind.word()),
                _ => format!("gen:p{index}/{}@1.{}.0", kind.word(), chance.below(3)),
            };
            if offers.iter().all(|offer| path(&offer.name) != path(&name)) {
                offers.push(Offer { kind, name });
            }
        }
    }
    if offers.iter().any(|offer| offer.kind == Kind::Directory) && !host.contains(&Host::Preopens) {
        host.push(Host::Preopens);
    }
    let is_withheld = chance.one_in(10);
    Node {
        name: names[index].to_owned(),
        salt: chance.number(),
        withheld: host.first().copied().filter(|_| is_withheld),
        traps: is_withheld || chance.one_in(3),
        offers,
        asks: Vec::new(),
        patch: chance.pick(&[0, 3, 12]),
        variable: format!("value {}", chance.below(1000)),
        setting: chance.one_in(3).then(|| format!("grüße {}", chance.below(1000))),
        directory: chance.below(DIRECTORIES.len()),
        host,
        rules: Vec::new(),
    }
}

/// The name without its version.
pub(crate) fn path(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

/// An import that this export satisfies: under its own name, an earlier version of it or another name, and the rule
/// that is needed then.
fn ask(chance: &mut Chance, provider: usize, offer: &Offer) -> (Ask, Option<Rule>) {
    let rule = |imports: &str, export: Option<&str>| Rule {
        imports: imports.to_owned(),
        provider,
        export: export.map(str::to_owned),
    };
    let (name, rule) = match chance.below(5) {
        0 if offer.name.contains('/') => {
            let name = format!("gen:wanted/{}", offer.kind.word());
            let rule = rule(&name, Some(&offer.name));
            (name, Some(rule))
        }
        0 => {
            let name = format!("wanted-{}", offer.kind.word());
            let rule = rule(&name, Some(&offer.name));
            (name, Some(rule))
        }
        1 if !offer.name.starts_with("gen:any/") => (offer.name.clone(), Some(rule(path(&offer.name), None))),
        2 | 3 => (
            offer.name.replace("@1.2.0", "@1.1.0").replace("@1.1.0", "@1.0.0"),
            None,
        ),
        _ => (offer.name.clone(), None),
    };
    let ask = Ask {
        kind: offer.kind,
        name,
        provider,
        offered: offer.name.clone(),
    };
    (ask, rule)
}

/// Numbers that look like chance and are the same in every run of a seed: xorshift.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn number(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}
