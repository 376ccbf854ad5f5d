//! What code costs at most, in units: about one for each instruction.
//!
//! Between two headers of loops, control only goes forward. So the dearest way through a function, or once through a
//! loop, is found in one pass: at each instruction the cost of the dearest way that leads there is known, and where
//! ways meet the dearer one counts. A loop inside is left out, since it charges for itself; what comes after it goes
//! on from what came before it.
//!
//! Why that bounds the time between two looks: every turn of a loop takes from the countdown, when it begins, at least
//! what it costs until the next turn begins or the loop is left. Every function takes its own cost likewise when it is
//! entered, or is small, calls nothing that calls it back, and its caller's cost contains its own. So all that is done
//! was taken from the countdown before, but for one charge at a time.

use wasmparser::{BlockType, FunctionBody, Operator};

use crate::Error;
use crate::calls::{callee, is_bulk};
use crate::module::Module;
use crate::plan::Plan;

/// Costs that are larger than this are not told apart: the countdown ends in any case, and starts anew.
pub(crate) const COST_MAX: u32 = 1 << 24;

/// What a function costs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weights {
    /// Once through it, without its loops.
    pub(crate) body: u32,
    /// One turn of each loop, without the loops inside, in the order in which they begin.
    pub(crate) loops: Vec<u32>,
}

/// The cost of the dearest way to where the walk stands or to the end of a block, or `None` where no way leads.
type Cost = Option<u32>;

struct Frame {
    /// Which region's costs the frame speaks of: 0 for the function, else one more than the number of the loop.
    region: usize,
    /// The dearest way to the end of the block, for ways that jump there.
    end: Cost,
    /// The cost with which the frame was entered: where an `else` begins, and where code behind a loop goes on.
    entry: Cost,
    kind: Kind,
    /// How many values a jump to it carries.
    carried: u32,
    /// Where exceptions go that are thrown in it, as seen from outside of it.
    catches: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    If,
    Loop,
}

struct Walk<'m, 'a> {
    module: &'m Module<'a>,
    plan: &'m Plan,
    frames: Vec<Frame>,
    /// Which of the frames are loops.
    loops: Vec<usize>,
    cost: Cost,
    /// The dearest way so far in each region.
    regions: Vec<u32>,
}

pub(crate) fn weigh(module: &Module<'_>, plan: &Plan, body: &FunctionBody<'_>) -> Result<Weights, Error> {
    let mut walk = Walk {
        module,
        plan,
        frames: Vec::new(),
        loops: Vec::new(),
        cost: Some(0),
        regions: vec![0],
    };
    walk.push(Kind::Block, 0, 0);
    for operator in body.get_operators_reader()? {
        walk.step(&operator?);
    }
    let mut regions = walk.regions.into_iter();
    Ok(Weights {
        body: regions.next().unwrap_or_default(),
        loops: regions.map(|cost| cost.max(1)).collect(),
    })
}

impl Walk<'_, '_> {
    fn push(&mut self, kind: Kind, region: usize, carried: u32) {
        let frame = Frame {
            region,
            end: None,
            entry: self.cost,
            kind,
            carried,
            catches: Vec::new(),
        };
        self.frames.push(frame);
    }

    fn region(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.region)
    }

    fn spend(&mut self, units: u32) {
        let region = self.region();
        if let Some(cost) = &mut self.cost {
            *cost = cost.saturating_add(units).min(COST_MAX);
            if let Some(dearest) = self.regions.get_mut(region) {
                *dearest = (*dearest).max(*cost);
            }
        }
    }

    fn step(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Block { blockty } => self.enter(Kind::Block, *blockty),
            Operator::TryTable { try_table } => {
                self.spend(1);
                self.enter(Kind::Block, try_table.ty);
                if let Some(frame) = self.frames.last_mut() {
                    frame.catches = try_table.catches.iter().map(label).collect();
                }
            }
            Operator::If { blockty } => {
                self.spend(1);
                self.enter(Kind::If, *blockty);
            }
            Operator::Loop { blockty } => self.enter(Kind::Loop, *blockty),
            Operator::Else => self.otherwise(),
            Operator::End => self.leave(),
            Operator::Br { relative_depth } => {
                self.spend(1);
                self.jump(*relative_depth);
                self.cost = None;
            }
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth }
            | Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => {
                self.spend(1);
                self.jump(*relative_depth);
            }
            Operator::BrTable { targets } => {
                self.spend(3);
                for target in targets.targets().flatten().chain([targets.default()]) {
                    self.jump(target);
                }
                self.cost = None;
            }
            Operator::Return | Operator::Unreachable | Operator::Throw { .. } | Operator::ThrowRef => {
                self.spend(1);
                self.cost = None;
            }
            other => self.plain(other),
        }
    }

    fn plain(&mut self, operator: &Operator<'_>) {
        match callee(operator) {
            Some(callee) => {
                let (units, _) = self.plan.call(self.module, callee);
                self.spend(units);
            }
            None => self.spend(units(operator)),
        }
        let leaves = matches!(
            operator,
            Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. }
        );
        if leaves {
            self.cost = None;
        }
    }

    fn enter(&mut self, kind: Kind, ty: BlockType) {
        let (parameters, results) = self.arity(ty);
        self.spend(parameters);
        match kind {
            Kind::Block | Kind::If => self.push(kind, self.region(), results),
            Kind::Loop => {
                self.loops.push(self.frames.len());
                self.push(kind, self.regions.len(), parameters);
                self.regions.push(0);
                self.cost = self.cost.map(|_| 0);
            }
        }
    }

    fn arity(&self, ty: BlockType) -> (u32, u32) {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => self.module.signature(ty).map_or((0, 0), |signature| {
                (count(signature.parameters.len()), count(signature.results.len()))
            }),
        }
    }

    /// A jump to the label at some depth: to the end of a block, or back to the header of a loop, which charges anew.
    fn jump(&mut self, depth: u32) {
        let here = self.region();
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let Some(place) = self
            .frames
            .len()
            .checked_sub(1)
            .and_then(|last| last.checked_sub(depth))
        else {
            return;
        };
        let carried = self.frames.get(place).map_or(0, |frame| frame.carried);
        self.spend(carried);
        let is_same = self.frames.get(place).is_some_and(|frame| frame.region == here);
        // Out of a loop: what was spent in it is the loop's, and the way goes on from where the outermost loop that is
        // left began.
        let left = || {
            let first = self.loops.partition_point(|frame| *frame <= place);
            let left = self.loops.get(first).and_then(|frame| self.frames.get(*frame));
            left.and_then(|frame| frame.entry)
        };
        let arriving = if is_same { self.cost } else { left() };
        if let Some(frame) = self.frames.get_mut(place)
            && frame.kind != Kind::Loop
        {
            frame.end = dearer(frame.end, arriving);
        }
    }

    fn otherwise(&mut self) {
        let cost = self.cost;
        if let Some(frame) = self.frames.last_mut() {
            frame.end = dearer(frame.end, cost);
            frame.kind = Kind::Block;
            self.cost = frame.entry;
        }
    }

    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if frame.kind == Kind::Loop {
            self.loops.pop();
        }
        self.cost = match frame.kind {
            Kind::Block => dearer(self.cost, frame.end),
            // Without `else`, the way round it.
            Kind::If => dearer(dearer(self.cost, frame.end), frame.entry),
            Kind::Loop => self.cost.and(frame.entry),
        };
        if !frame.catches.is_empty() {
            self.catch(&frame);
        }
    }

    /// An exception may come from anywhere inside: what is caught goes on from the dearest way so far.
    fn catch(&mut self, from: &Frame) {
        let after = self.cost;
        self.cost = self.regions.get(from.region).copied();
        for label in &from.catches {
            self.jump(*label);
        }
        self.cost = after;
    }
}

fn dearer(one: Cost, other: Cost) -> Cost {
    one.max(other)
}

fn label(catch: &wasmparser::Catch) -> u32 {
    match catch {
        wasmparser::Catch::One { label, .. }
        | wasmparser::Catch::OneRef { label, .. }
        | wasmparser::Catch::All { label }
        | wasmparser::Catch::AllRef { label } => *label,
    }
}

/// What one instruction costs that neither calls nor jumps.
fn units(operator: &Operator<'_>) -> u32 {
    match operator {
        Operator::Nop | Operator::Drop => 0,
        // What is not in any cache takes a hundred nanoseconds.
        load if is_load(load) => 8,
        store if is_store(store) => 4,
        Operator::I32DivS | Operator::I32DivU | Operator::I32RemS | Operator::I32RemU => 8,
        Operator::I64DivS | Operator::I64DivU | Operator::I64RemS | Operator::I64RemU => 16,
        Operator::F32Div | Operator::F32Sqrt | Operator::F64Div | Operator::F64Sqrt => 6,
        Operator::F32x4Div | Operator::F32x4Sqrt | Operator::F64x2Div | Operator::F64x2Sqrt => 8,
        Operator::MemoryGrow { .. } => 1000,
        operator if is_bulk(operator) => 20,
        // Calls of the host, and memory to be found: what the engine does for an object.
        Operator::StructNew { .. } | Operator::StructNewDefault { .. } | Operator::ArrayNewFixed { .. } => 50,
        Operator::TableSet { .. } | Operator::RefFunc { .. } => 5,
        Operator::ElemDrop { .. } | Operator::DataDrop { .. } => 20,
        _ => 1,
    }
}

fn is_load(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Load { .. }
            | Operator::I64Load { .. }
            | Operator::F32Load { .. }
            | Operator::F64Load { .. }
            | Operator::I32Load8S { .. }
            | Operator::I32Load8U { .. }
            | Operator::I32Load16S { .. }
            | Operator::I32Load16U { .. }
            | Operator::I64Load8S { .. }
            | Operator::I64Load8U { .. }
            | Operator::I64Load16S { .. }
            | Operator::I64Load16U { .. }
            | Operator::I64Load32S { .. }
            | Operator::I64Load32U { .. }
            | Operator::V128Load { .. }
            | Operator::TableGet { .. }
            | Operator::StructGet { .. }
            | Operator::StructGetS { .. }
            | Operator::StructGetU { .. }
            | Operator::ArrayGet { .. }
            | Operator::ArrayGetS { .. }
            | Operator::ArrayGetU { .. }
            | Operator::ArrayLen
    )
}

fn is_store(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Store { .. }
            | Operator::I64Store { .. }
            | Operator::F32Store { .. }
            | Operator::F64Store { .. }
            | Operator::I32Store8 { .. }
            | Operator::I32Store16 { .. }
            | Operator::I64Store8 { .. }
            | Operator::I64Store16 { .. }
            | Operator::I64Store32 { .. }
            | Operator::V128Store { .. }
    )
}
