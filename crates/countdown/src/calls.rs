//! Who may call whom, and which functions may be entered again before they return.

use std::collections::HashMap;

use wasmparser::Operator;

use crate::Error;
use crate::module::{Module, Signature};

/// What one function does that matters beyond itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traits {
    /// Nodes of the graph that it calls.
    all: Vec<usize>,
    /// Those that it calls outside of its loops, where nothing is charged on the way.
    straight: Vec<usize>,
    /// For each of its loops, the nodes that are called in it but not in a loop inside.
    pub(crate) loops: Vec<Vec<usize>>,
    /// Whether exceptions are caught in it.
    pub(crate) catches: bool,
    /// Whether it throws.
    pub(crate) throws: bool,
    /// Whether it moves many bytes or elements in one instruction.
    pub(crate) bulk: bool,
}

/// The graph of calls. Its nodes are the defined functions, then everything outside of the module, then one node for
/// each signature that is called without naming a function.
pub(crate) struct Calls {
    pub(crate) traits: Vec<Traits>,
    /// From everything that is not a function of the module.
    edges: Vec<Vec<usize>>,
    signatures: HashMap<Signature, usize>,
    outside: usize,
}

impl Calls {
    pub(crate) fn new(module: &Module<'_>) -> Result<Self, Error> {
        let outside = module.bodies.len();
        let mut calls = Self {
            traits: Vec::with_capacity(outside),
            edges: vec![Vec::new(); outside + 1],
            signatures: HashMap::new(),
            outside,
        };
        let mut is_closed = module.tables_are_private;
        let mut referenced = module.referenced.clone();
        for body in &module.bodies {
            let (traits, closed) = calls.read(module, body, &mut referenced)?;
            is_closed &= closed;
            calls.traits.push(traits);
        }
        referenced.sort_unstable();
        referenced.dedup();
        calls.connect(module, &referenced, is_closed);
        Ok(calls)
    }

    fn read(
        &mut self,
        module: &Module<'_>,
        body: &wasmparser::FunctionBody<'_>,
        referenced: &mut Vec<u32>,
    ) -> Result<(Traits, bool), Error> {
        let mut traits = Traits::default();
        let mut is_closed = true;
        let mut nesting = Nesting::default();
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            nesting.step(&operator);
            traits.loops.resize(nesting.loops, Vec::new());
            match &operator {
                Operator::TryTable { .. } => traits.catches = true,
                Operator::Throw { .. } | Operator::ThrowRef => traits.throws = true,
                Operator::RefFunc { function_index } => {
                    referenced.push(*function_index);
                    is_closed = false;
                }
                Operator::TableSet { .. } | Operator::TableGrow { .. } | Operator::CallRef { .. } => {
                    is_closed = false;
                }
                _ => {}
            }
            if is_bulk(&operator) {
                traits.bulk = true;
                is_closed &= !matches!(operator, Operator::TableFill { .. });
            }
            if let Some(callee) = callee(&operator) {
                is_closed &= !matches!(operator, Operator::ReturnCallRef { .. });
                let node = self.node(module, callee);
                traits.all.push(node);
                match nesting.innermost() {
                    None => traits.straight.push(node),
                    Some(number) => traits
                        .loops
                        .get_mut(number)
                        .into_iter()
                        .for_each(|called| called.push(node)),
                }
            }
            refuse(&operator)?;
        }
        for list in [&mut traits.all, &mut traits.straight] {
            list.sort_unstable();
            list.dedup();
        }
        Ok((traits, is_closed))
    }

    /// The node that a call leads to.
    pub(crate) fn node(&mut self, module: &Module<'_>, callee: Callee) -> usize {
        match callee {
            Callee::Function(function) => module.defined(function).unwrap_or(self.outside),
            Callee::OfType(ty) => {
                let Some(signature) = module.signature(ty) else {
                    return self.outside;
                };
                let next = self.edges.len();
                let node = *self.signatures.entry(signature.key()).or_insert(next);
                if node == next {
                    self.edges.push(Vec::new());
                }
                node
            }
        }
    }

    fn connect(&mut self, module: &Module<'_>, referenced: &[u32], is_closed: bool) {
        let nodes = |functions: &[u32]| -> Vec<usize> {
            let node = |function: &u32| module.defined(*function).unwrap_or(self.outside);
            functions.iter().map(node).collect()
        };
        let mut escaping = nodes(&module.exported);
        let referenced_nodes = nodes(referenced);
        if !is_closed {
            escaping.extend(&referenced_nodes);
        }
        escaping.sort_unstable();
        escaping.dedup();
        for (function, node) in referenced.iter().zip(referenced_nodes) {
            let key = module.function_signature(*function).map(Signature::key);
            let reached = key.and_then(|key| self.signatures.get(&key)).copied();
            if let Some(edges) = reached.and_then(|reached| self.edges.get_mut(reached)) {
                edges.push(node);
            }
        }
        if !is_closed {
            for node in self.signatures.values() {
                if let Some(edges) = self.edges.get_mut(*node) {
                    edges.push(self.outside);
                }
            }
        }
        if let Some(edges) = self.edges.get_mut(self.outside) {
            *edges = escaping;
        }
    }

    /// The node that a call leads to, once the graph is complete.
    pub(crate) fn find(&self, module: &Module<'_>, callee: Callee) -> usize {
        match callee {
            Callee::Function(function) => module.defined(function).unwrap_or(self.outside),
            Callee::OfType(ty) => {
                let key = module.signature(ty).map(Signature::key);
                let node = key.and_then(|key| self.signatures.get(&key));
                node.copied().unwrap_or(self.outside)
            }
        }
    }

    pub(crate) fn outside(&self) -> usize {
        self.outside
    }

    /// What a node calls.
    pub(crate) fn called_by(&self, node: usize) -> &[usize] {
        let edges = || self.edges.get(node);
        let called = self.traits.get(node).map(|traits| &traits.all);
        called.or_else(edges).map_or(&[], Vec::as_slice)
    }

    fn called_straight_by(&self, node: usize) -> &[usize] {
        let edges = || self.edges.get(node);
        let called = self.traits.get(node).map(|traits| &traits.straight);
        called.or_else(edges).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn nodes(&self) -> usize {
        self.edges.len()
    }

    /// All nodes, called ones before those that call them, in groups that call each other in circles without a loop on
    /// the way. A group of one that calls itself is a circle too.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let edges: Vec<&[usize]> = (0..self.nodes())
            .map(|node| self.called_straight_by(node))
            .collect();
        let groups = Search::new(&edges).run();
        let circle = |nodes: &[usize]| {
            let calls_itself = |node: &usize| self.called_straight_by(*node).contains(node);
            nodes.len() > 1 || nodes.iter().any(calls_itself)
        };
        groups
            .into_iter()
            .map(|nodes| Group {
                is_circle: circle(&nodes),
                nodes,
            })
            .collect()
    }
}

/// Nodes that call each other.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) nodes: Vec<usize>,
    pub(crate) is_circle: bool,
}

/// Which loop a walk stands in.
#[derive(Debug, Default)]
struct Nesting {
    /// For each open block, the innermost loop.
    open: Vec<Option<usize>>,
    /// How many loops have begun.
    loops: usize,
}

impl Nesting {
    fn innermost(&self) -> Option<usize> {
        self.open.last().copied().flatten()
    }

    fn step(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                self.open.push(self.innermost());
            }
            Operator::Loop { .. } => {
                self.open.push(Some(self.loops));
                self.loops += 1;
            }
            Operator::End => {
                self.open.pop();
            }
            _ => {}
        }
    }
}

/// What a call names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callee {
    /// A function.
    Function(u32),
    /// Any function of a type.
    OfType(u32),
}

pub(crate) fn callee(operator: &Operator<'_>) -> Option<Callee> {
    match operator {
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            Some(Callee::Function(*function_index))
        }
        Operator::CallIndirect { type_index, .. }
        | Operator::ReturnCallIndirect { type_index, .. }
        | Operator::CallRef { type_index }
        | Operator::ReturnCallRef { type_index } => Some(Callee::OfType(*type_index)),
        _ => None,
    }
}

/// Whether one instruction may take long: what it takes depends on the number on top of the stack.
pub(crate) fn is_bulk(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
            | Operator::TableGrow { .. }
            | Operator::ArrayNew { .. }
            | Operator::ArrayNewDefault { .. }
            | Operator::ArrayNewData { .. }
            | Operator::ArrayNewElem { .. }
            | Operator::ArrayFill { .. }
            | Operator::ArrayCopy { .. }
            | Operator::ArrayInitData { .. }
            | Operator::ArrayInitElem { .. }
    )
}

/// Nothing that no engine here runs is passed on, since nothing is known about its cost.
fn refuse(operator: &Operator<'_>) -> Result<(), Error> {
    let what = match operator {
        Operator::Try { .. } | Operator::Catch { .. } | Operator::CatchAll | Operator::Delegate { .. } => {
            "exceptions of the old kind"
        }
        Operator::Resume { .. }
        | Operator::ResumeThrow { .. }
        | Operator::ResumeThrowRef { .. }
        | Operator::Suspend { .. }
        | Operator::Switch { .. }
        | Operator::ContNew { .. }
        | Operator::ContBind { .. } => "stack switching",
        Operator::BrOnCastDescEq { .. } | Operator::BrOnCastDescEqFail { .. } => "type descriptors",
        _ => return Ok(()),
    };
    Err(Error::Unsupported { what })
}

/// Tarjan's search for strongly connected components, with a list in place of the call stack.
struct Search<'a> {
    edges: &'a [&'a [usize]],
    /// When a node was met, from 1 on.
    met: Vec<usize>,
    low: Vec<usize>,
    is_open: Vec<bool>,
    open: Vec<usize>,
    clock: usize,
    groups: Vec<Vec<usize>>,
}

#[expect(
    clippy::indexing_slicing,
    reason = "nodes number the edges, and every list here is as long as those"
)]
impl<'a> Search<'a> {
    fn new(edges: &'a [&'a [usize]]) -> Self {
        Self {
            edges,
            met: vec![0; edges.len()],
            low: vec![0; edges.len()],
            is_open: vec![false; edges.len()],
            open: Vec::new(),
            clock: 0,
            groups: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Vec<usize>> {
        for root in 0..self.edges.len() {
            if self.met[root] == 0 {
                self.from(root);
            }
        }
        self.groups
    }

    fn from(&mut self, root: usize) {
        let mut path = vec![(root, 0)];
        self.meet(root);
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if let Some(&to) = self.edges[node].get(*next) {
                *next += 1;
                if self.met[to] == 0 {
                    self.meet(to);
                    path.push((to, 0));
                } else if self.is_open[to] {
                    self.low[node] = self.low[node].min(self.met[to]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                self.low[*parent] = self.low[*parent].min(self.low[node]);
            }
            if self.low[node] == self.met[node] {
                self.close(node);
            }
        }
    }

    fn meet(&mut self, node: usize) {
        self.clock += 1;
        self.met[node] = self.clock;
        self.low[node] = self.clock;
        self.is_open[node] = true;
        self.open.push(node);
    }

    fn close(&mut self, root: usize) {
        let mut group = Vec::new();
        while let Some(node) = self.open.pop() {
            self.is_open[node] = false;
            group.push(node);
            if node == root {
                break;
            }
        }
        self.groups.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::Search;

    #[test]
    fn circles_are_found_and_what_is_called_comes_first() {
        let edges: Vec<&[usize]> = vec![&[1], &[2], &[1, 3], &[], &[4, 0]];
        let mut groups = Search::new(&edges).run();
        groups.iter_mut().for_each(|group| group.sort_unstable());
        assert_eq!(groups, [vec![3], vec![1, 2], vec![0], vec![4]]);
    }
}
