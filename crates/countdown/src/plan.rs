//! Which function charges what, and where.

use crate::Error;
use crate::calls::{Callee, Calls, Group};
use crate::module::Module;
use crate::weigh;

/// What a function may cost without taking it from the countdown: its callers account for it.
const SMALL_MAX: u32 = 400;

/// What is taken for a call, besides what the called function costs.
const CALL_UNITS: u32 = 3;

/// What is taken for a call out of the module: passing through an adapter, entering the host.
const OUTSIDE_UNITS: u32 = 100;

/// What a function takes from the countdown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Charges {
    /// When it is entered.
    pub(crate) entry: Option<u32>,
    /// On each turn of each of its loops, in the order in which they begin.
    pub(crate) loops: Vec<u32>,
    /// Whether one of its loops calls nobody who charges.
    pub(crate) computes: bool,
    /// Whether it moves many bytes or elements in one instruction.
    pub(crate) bulk: bool,
    /// Whether exceptions are caught in it.
    pub(crate) catches: bool,
}

impl Charges {
    /// Whether the function stays as it is.
    pub(crate) fn is_empty(&self) -> bool {
        self.entry.is_none() && self.loops.is_empty() && !self.bulk
    }
}

/// The charges of all functions that a module defines.
pub(crate) struct Plan {
    pub(crate) charges: Vec<Charges>,
    calls: Calls,
    /// For each node of the graph of calls.
    nodes: Vec<Node>,
}

/// What calling a node means for the caller.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Units that the caller accounts for.
    units: u32,
    /// Whether the countdown may be another one afterwards, or must be in its place when an exception passes.
    spends: bool,
}

impl Plan {
    pub(crate) fn new(module: &Module<'_>) -> Result<Self, Error> {
        let calls = Calls::new(module)?;
        let outside = Node {
            units: OUTSIDE_UNITS,
            spends: true,
        };
        let mut plan = Self {
            charges: vec![Charges::default(); module.bodies.len()],
            nodes: vec![outside; calls.nodes()],
            calls,
        };
        for group in plan.calls.groups() {
            plan.settle(module, &group)?;
        }
        for (function, body) in module.bodies.iter().enumerate() {
            // What is called in loops is known only now.
            let weights = weigh::weigh(module, &plan, body)?;
            if let Some(charges) = plan.charges.get_mut(function) {
                charges.loops = weights.loops;
            }
        }
        plan.find_spenders();
        plan.find_computing();
        Ok(plan)
    }

    /// Whether no function has to charge anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.charges.iter().all(Charges::is_empty)
    }

    /// What is known of a call, as a number of units and whether the countdown must be in its place.
    pub(crate) fn call(&self, module: &Module<'_>, callee: Callee) -> (u32, bool) {
        let node = self.calls.find(module, callee);
        let found = self.nodes.get(node).copied();
        found.map_or((OUTSIDE_UNITS, true), |node| {
            (node.units.saturating_add(CALL_UNITS), node.spends)
        })
    }

    /// Decides about entries: for functions that call each other in circles, or for a single one. Whatever else they
    /// call has been decided before.
    fn settle(&mut self, module: &Module<'_>, group: &Group) -> Result<(), Error> {
        let (functions, others): (Vec<usize>, Vec<usize>) =
            group.nodes.iter().partition(|node| **node < module.bodies.len());
        if group.is_circle {
            // Within a circle every function charges for itself.
            for function in &functions {
                self.set_units(*function, 0);
            }
        }
        for signature in others {
            if signature != self.calls.outside() {
                let units = self.dearest(signature);
                self.set_units(signature, units);
            }
        }
        for function in functions {
            if let Some(body) = module.bodies.get(function) {
                let cost = weigh::weigh(module, self, body)?.body;
                self.enter(function, cost, group.is_circle);
            }
        }
        Ok(())
    }

    fn enter(&mut self, function: usize, cost: u32, is_circle: bool) {
        let is_charged = is_circle || cost > SMALL_MAX;
        let traits = self.calls.traits.get(function);
        let (bulk, catches) = traits.map_or((false, false), |traits| (traits.bulk, traits.catches));
        if let Some(charges) = self.charges.get_mut(function) {
            charges.entry = is_charged.then_some(cost.max(1));
            charges.bulk = bulk;
            charges.catches = catches;
        }
        self.set_units(function, if is_charged { 0 } else { cost });
    }

    /// What calling any function of a signature costs.
    fn dearest(&self, signature: usize) -> u32 {
        let called = self.calls.called_by(signature);
        let units = called
            .iter()
            .filter_map(|node| self.nodes.get(*node))
            .map(|node| node.units);
        units.max().unwrap_or_default()
    }

    fn set_units(&mut self, node: usize, units: u32) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.units = units;
        }
    }

    /// Finds every node that charges or throws, or calls one that does.
    fn find_spenders(&mut self) {
        let mut callers = vec![Vec::new(); self.nodes.len()];
        for node in 0..self.nodes.len() {
            for called in self.calls.called_by(node) {
                if let Some(callers) = callers.get_mut(*called) {
                    callers.push(node);
                }
            }
        }
        for (function, charges) in self.charges.iter().enumerate() {
            let throws = self
                .calls
                .traits
                .get(function)
                .is_some_and(|traits| traits.throws);
            if let Some(node) = self.nodes.get_mut(function) {
                node.spends = throws || !charges.is_empty();
            }
        }
        for node in self.nodes.iter_mut().skip(self.calls.outside() + 1) {
            node.spends = false;
        }
        let mut found: Vec<usize> = (0..self.nodes.len()).filter(|node| self.spends(*node)).collect();
        while let Some(node) = found.pop() {
            for caller in callers.get(node).into_iter().flatten() {
                if let Some(place) = self.nodes.get_mut(*caller)
                    && !place.spends
                {
                    place.spends = true;
                    found.push(*caller);
                }
            }
        }
    }

    /// Finds the functions with a loop that calls nobody who charges.
    fn find_computing(&mut self) {
        for function in 0..self.charges.len() {
            let loops = self.calls.traits.get(function).map(|traits| &traits.loops);
            let computes = loops
                .into_iter()
                .flatten()
                .any(|called| !called.iter().any(|node| self.spends(*node)));
            if let Some(charges) = self.charges.get_mut(function) {
                charges.computes = computes;
            }
        }
    }

    fn spends(&self, node: usize) -> bool {
        self.nodes.get(node).is_none_or(|node| node.spends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charges(code: &str) -> Vec<Charges> {
        let wasm = wat::parse_str(format!("(module {code})")).unwrap();
        let module = Module::read(&wasm).unwrap();
        Plan::new(&module).unwrap().charges
    }

    fn entries(code: &str) -> Vec<bool> {
        charges(code)
            .iter()
            .map(|charges| charges.entry.is_some())
            .collect()
    }

    #[test]
    fn short_functions_that_call_nobody_back_are_left_alone() {
        let found = charges("(func $a) (func $b (call $a)) (func (export \"c\") (call $b) (call $a))");
        assert!(found.iter().all(Charges::is_empty));
    }

    #[test]
    fn circles_charge_where_they_are_entered_unless_a_loop_is_on_the_way() {
        assert_eq!(
            entries("(func $a (call $b)) (func $b (call $a)) (func (call $a))"),
            [true, true, false]
        );
        assert_eq!(entries("(func $a (loop (call $a)))"), [false]);
    }

    #[test]
    fn indirect_calls_reach_what_has_their_type_and_stands_in_a_table() {
        let code = r#"(type $t (func (param i32))) (type $u (func)) (table funcref (elem $a $b))
            (func $a (type $t) (call_indirect (type $t) (i32.const 0) (i32.const 0)))
            (func $b (type $u) (call_indirect (type $t) (i32.const 0) (i32.const 0)))"#;
        assert_eq!(entries(code), [true, false]);
    }

    #[test]
    fn what_is_called_from_outside_may_be_called_back_through_an_import() {
        let code = r#"(import "" "f" (func $f)) (func (export "a") (call $f)) (func $b (call $f))"#;
        assert_eq!(entries(code), [true, false]);
    }

    #[test]
    fn calls_that_double_are_charged_before_they_are_many() {
        let doubling: String = (1..40)
            .map(|n| format!("(func $f{n} (call $f{0}) (call $f{0}))", n - 1))
            .collect();
        let found = entries(&format!("(func $f0) {doubling}"));
        let gaps = found.split(|charged| *charged).map(<[bool]>::len).max();
        assert!(gaps.unwrap() <= 8, "{found:?}");
    }

    #[test]
    fn a_turn_of_a_loop_costs_its_dearest_way_and_not_the_sum_of_all() {
        let arm = "(drop (i32.add (i32.const 1) (i32.const 2)))".repeat(10);
        let one = charges(&format!("(func (param i32) (loop $l {arm} (br $l)))"));
        let either = charges(&format!(
            "(func (param i32) (loop $l (if (local.get 0) (then {arm}) (else {arm})) (br $l)))"
        ));
        assert!(one[0].loops[0] >= 30);
        assert!(either[0].loops[0] < one[0].loops[0] + 5);
    }

    #[test]
    fn loops_inside_are_not_part_of_a_turn() {
        let inner = "(loop $i (drop (i32.load (i32.const 0))) (br_if $i (i32.const 1)))";
        let found = charges(&format!("(memory 1) (func (loop $l {inner} (br $l)))"));
        assert_eq!(found[0].loops.len(), 2);
        assert!(found[0].loops[0] < found[0].loops[1]);
    }
}
