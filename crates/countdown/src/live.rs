//! Which local variables matter where a loop begins: those that are read later before they are written.
//!
//! The code is walked backwards, loops as often as it takes until nothing new is found. Functions in which exceptions
//! are caught are not walked: their jumps are not seen here.

use wasmparser::{FunctionBody, Operator};

use crate::Error;

/// How much work is put into one function: steps times words of 64 variables. What is beyond is left alone, which
/// costs the function speed and nothing else.
const WORK_MAX: usize = 50_000_000;

/// What an instruction means for variables.
enum Step {
    Get(u32),
    Set(u32),
    Begin,
    Else,
    End(Kind),
    /// A jump that may not be taken.
    Branch(u32),
    Jump(u32),
    /// A jump to one of several labels.
    Choose(Vec<u32>),
    Leave,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    If,
    Loop(usize),
}

/// A set of variables.
#[derive(Clone, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn put(&mut self, local: u32) {
        if let Some(word) = self.0.get_mut(local as usize / 64) {
            *word |= 1 << (local % 64);
        }
    }

    fn take(&mut self, local: u32) {
        if let Some(word) = self.0.get_mut(local as usize / 64) {
            *word &= !(1 << (local % 64));
        }
    }

    fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }

    fn members(&self) -> impl Iterator<Item = u32> {
        let words = (0..).zip(&self.0);
        words.flat_map(|(place, word)| {
            (0..64_u32)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| place * 64 + bit)
        })
    }
}

/// The variables that matter at the beginning of each loop, in the order in which loops begin.
pub(crate) fn at_loops(body: &FunctionBody<'_>, locals: u32) -> Result<Vec<Vec<u32>>, Error> {
    let (steps, loops) = read(body)?;
    let words = locals as usize / 64 + 1;
    let empty = Set(vec![0; words]);
    let mut walk = Walk {
        live: empty.clone(),
        headers: vec![empty; loops],
        frames: Vec::new(),
        changed: true,
    };
    let effort = |step: &Step| match step {
        Step::Choose(labels) => labels.len() + 1,
        _ => 1,
    };
    let each = steps.iter().map(effort).sum::<usize>().saturating_mul(words);
    let mut work = 0_usize;
    while walk.changed {
        work = work.saturating_add(each);
        if work > WORK_MAX {
            return Ok(vec![Vec::new(); loops]);
        }
        walk.changed = false;
        walk.live.clear();
        for step in steps.iter().rev() {
            walk.back(step);
        }
    }
    Ok(walk
        .headers
        .iter()
        .map(|header| header.members().collect())
        .collect())
}

fn read(body: &FunctionBody<'_>) -> Result<(Vec<Step>, usize), Error> {
    let mut steps = Vec::new();
    let mut open = vec![Kind::Block];
    let mut loops = 0;
    for operator in body.get_operators_reader()? {
        let mut begin = |steps: &mut Vec<Step>, kind| {
            open.push(kind);
            steps.push(Step::Begin);
        };
        match operator? {
            Operator::LocalGet { local_index } => steps.push(Step::Get(local_index)),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                steps.push(Step::Set(local_index));
            }
            Operator::Block { .. } => begin(&mut steps, Kind::Block),
            Operator::If { .. } => begin(&mut steps, Kind::If),
            Operator::Loop { .. } => {
                begin(&mut steps, Kind::Loop(loops));
                loops += 1;
            }
            Operator::Else => steps.push(Step::Else),
            Operator::End => steps.push(Step::End(open.pop().unwrap_or(Kind::Block))),
            Operator::Br { relative_depth } => steps.push(Step::Jump(relative_depth)),
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth }
            | Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => steps.push(Step::Branch(relative_depth)),
            Operator::BrTable { targets } => {
                let labels = targets.targets().flatten().chain([targets.default()]);
                steps.push(Step::Choose(labels.collect()));
            }
            Operator::Return
            | Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => steps.push(Step::Leave),
            _ => {}
        }
    }
    Ok((steps, loops))
}

struct Walk {
    live: Set,
    /// For each loop, what was found so far.
    headers: Vec<Set>,
    frames: Vec<Frame>,
    changed: bool,
}

struct Frame {
    kind: Kind,
    /// What matters behind the block.
    after: Set,
    /// What matters where the `else` begins.
    otherwise: Option<Set>,
}

impl Walk {
    fn back(&mut self, step: &Step) {
        match step {
            Step::Get(local) => self.live.put(*local),
            Step::Set(local) => self.live.take(*local),
            Step::End(kind) => self.frames.push(Frame {
                kind: *kind,
                after: self.live.clone(),
                otherwise: None,
            }),
            Step::Else => {
                if let Some(frame) = self.frames.last_mut() {
                    let after = frame.after.clone();
                    frame.otherwise = Some(std::mem::replace(&mut self.live, after));
                }
            }
            Step::Begin => self.begin(),
            Step::Branch(depth) => self.reach(*depth),
            Step::Jump(depth) => {
                self.live.clear();
                self.reach(*depth);
            }
            Step::Choose(labels) => {
                self.live.clear();
                for label in labels {
                    self.reach(*label);
                }
            }
            Step::Leave => self.live.clear(),
        }
    }

    fn begin(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        match frame.kind {
            Kind::Block => {}
            Kind::If => self.live.add(frame.otherwise.as_ref().unwrap_or(&frame.after)),
            Kind::Loop(number) => {
                if let Some(header) = self.headers.get_mut(number)
                    && *header != self.live
                {
                    header.clone_from(&self.live);
                    self.changed = true;
                }
            }
        }
    }

    /// What matters at a label matters here.
    fn reach(&mut self, depth: u32) {
        let last = self.frames.len().checked_sub(1);
        let place = last.and_then(|last| last.checked_sub(usize::try_from(depth).ok()?));
        let Some(frame) = place.and_then(|place| self.frames.get(place)) else {
            return;
        };
        match frame.kind {
            Kind::Loop(number) => {
                if let Some(header) = self.headers.get(number) {
                    self.live.add(header);
                }
            }
            Kind::Block | Kind::If => self.live.add(&frame.after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::at_loops;

    fn live(code: &str) -> Vec<Vec<u32>> {
        let wasm = wat::parse_str(format!(
            "(module (func (param i32 i32) (local i32 i32 i32) {code}))"
        ))
        .unwrap();
        for payload in wasmparser::Parser::new(0).parse_all(&wasm) {
            if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
                return at_loops(&body, 5).unwrap();
            }
        }
        unreachable!()
    }

    #[test]
    fn what_is_written_before_it_is_read_does_not_matter() {
        assert_eq!(
            live("loop local.get 0 local.set 2 local.get 2 br_if 0 end"),
            [vec![0]]
        );
    }

    #[test]
    fn what_is_read_behind_the_loop_matters() {
        assert_eq!(
            live("loop local.get 0 br_if 0 end local.get 3 drop"),
            [vec![0, 3]]
        );
    }

    #[test]
    fn what_an_outer_loop_reads_in_its_next_turn_matters_inside() {
        let nested = "loop local.get 4 drop loop local.get 1 br_if 0 end local.get 0 br_if 0 end";
        assert_eq!(live(nested), [vec![0, 1, 4], vec![0, 1, 4]]);
    }

    #[test]
    fn either_arm_of_a_conditional_counts() {
        let arms = "loop local.get 0 if local.get 2 drop else local.get 3 drop end local.get 0 br_if 0 end";
        assert_eq!(live(arms), [vec![0, 2, 3]]);
        let one = "loop local.get 0 if i32.const 0 local.set 2 end local.get 2 br_if 0 end";
        assert_eq!(live(one), [vec![0, 2]]);
    }
}
