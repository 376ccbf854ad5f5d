//! The code of a function, with its charges.
//!
//! In a function with loops, the countdown is a local variable, which the compiler keeps in a register; it is put back
//! into the global wherever somebody else may look at it: calls, returns, exceptions. A loop becomes
//!
//! ```wat
//! (block $left
//!   (loop $again
//!     (block $late
//!       (loop $turn
//!         (br_if $late (i32.lt_s (local.tee $n (i32.sub (local.get $n) (i32.const COST))) (i32.const 0)))
//!         ...)
//!       (br $left))
//!     (call $look_up)
//!     (local.set $n (i32.const UNITS))
//!     (br $again)))
//! ```
//!
//! so that for the compiler the call stands outside of the loop, and no value need be kept where a call leaves it.

use wasmparser::{BlockType, BrTable, Catch, FunctionBody, Operator, TryTable, ValType};
use weft_sections::put_number;

use crate::Error;
use crate::binary::{Code, EMPTY};
use crate::calls::{callee, is_bulk};
use crate::live;
use crate::module::{Module, units};
use crate::plan::{Charges, Plan};

/// Indices of what is added to a module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) countdown: u32,
    pub(crate) look_up: u32,
    pub(crate) look_up_type: u32,
}

/// Private globals in which variables lie while a guest looks up. One for each variable of a type is enough for the
/// whole module: nobody else runs meanwhile.
#[derive(Debug)]
pub(crate) struct Shelf {
    next: u32,
    places: Vec<(ValType, u32)>,
}

impl Shelf {
    /// How many variables of a type are put aside at most.
    const PLACES_MAX: usize = 48;

    pub(crate) fn behind(names: Names) -> Self {
        Self {
            next: names.countdown.saturating_add(1),
            places: Vec::new(),
        }
    }

    /// The global for the variable of this type that is the `number`th to be put aside.
    fn place(&mut self, ty: ValType, number: usize) -> Option<u32> {
        if number >= Self::PLACES_MAX {
            return None;
        }
        let mut known = self.places.iter().filter(|(other, _)| *other == ty);
        if let Some((_, global)) = known.nth(number) {
            return Some(*global);
        }
        let global = self.next;
        self.next += 1;
        self.places.push((ty, global));
        Some(global)
    }

    /// The globals, as they are declared.
    pub(crate) fn globals(&self) -> Vec<Vec<u8>> {
        let global = |(ty, _): &(ValType, u32)| match ty {
            ValType::I64 => vec![0x7e, 1, 0x42, 0, 0x0b],
            ValType::F32 => vec![0x7d, 1, 0x43, 0, 0, 0, 0, 0x0b],
            ValType::F64 => vec![0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b],
            ValType::V128 => {
                let mut bytes = vec![0x7b, 1, 0xfd, 0x0c];
                bytes.extend_from_slice(&[0; 16]);
                bytes.push(0x0b);
                bytes
            }
            ValType::I32 | ValType::Ref(_) => vec![0x7f, 1, 0x41, 0, 0x0b],
        };
        self.places.iter().map(global).collect()
    }
}

/// All functions of a module, and for each that has them the places of branches that are hardly ever taken.
pub(crate) type Rewritten = (Vec<Vec<u8>>, Vec<(u32, Vec<u32>)>);

pub(crate) fn rewrite_all(
    module: &Module<'_>,
    plan: &Plan,
    names: Names,
    shelf: &mut Shelf,
) -> Result<Rewritten, Error> {
    let mut code = Vec::with_capacity(module.bodies.len() + 1);
    let mut hints = Vec::new();
    for ((function, body), charges) in (module.imported_functions..)
        .zip(&module.bodies)
        .zip(&plan.charges)
    {
        if charges.is_empty() {
            code.push(body.as_bytes().to_vec());
            continue;
        }
        let mut writer = Writer::new(module, plan, (names, &mut *shelf), charges, function, body)?;
        let results = module.function_signature(function);
        writer.body(body, results.map_or(&[], |signature| &signature.results))?;
        code.push(writer.code.0);
        if !writer.hints.is_empty() {
            hints.push((function, writer.hints));
        }
    }
    Ok((code, hints))
}

/// Where a function keeps the countdown while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a local variable.
    Local(u32),
    /// In the global: where exceptions are caught, which bring no local with them, and where little is charged.
    Global,
}

struct Writer<'m, 'a> {
    module: &'m Module<'a>,
    plan: &'m Plan,
    names: Names,
    shelf: &'m mut Shelf,
    charges: &'m Charges,
    place: Place,
    /// For each loop, the variables that are put aside while the guest looks up.
    aside: Vec<Vec<(u32, ValType)>>,
    /// Variables for the numbers on top of the stack: 32 bits, 64 bits.
    lengths: [u32; 2],
    /// For each open block, how many blocks were put round it and those around it.
    frames: Vec<Frame>,
    next_loop: usize,
    /// The bytes of the function as they were, and where they stand in the module.
    old: &'a [u8],
    old_start: usize,
    code: Code,
    hints: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    added: u32,
    /// The number of the loop that was wrapped.
    wrapped: Option<usize>,
}

/// By how much a function may grow, besides becoming twice as long, before no more variables are put aside in it.
const GROWTH_BYTES: usize = 64 << 10;

/// Blocks that are put round a loop.
const WRAPPERS: u32 = 3;

impl<'m, 'a> Writer<'m, 'a> {
    fn new(
        module: &'m Module<'a>,
        plan: &'m Plan,
        (names, shelf): (Names, &'m mut Shelf),
        charges: &'m Charges,
        function: u32,
        body: &FunctionBody<'a>,
    ) -> Result<Self, Error> {
        let signature = module.function_signature(function);
        let mut locals = signature.map_or_else(Vec::new, |signature| signature.parameters.clone());
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let (count, ty) = reader.read()?;
            locals.extend(std::iter::repeat_n(
                ty,
                usize::try_from(count).unwrap_or_default(),
            ));
        }
        let first = u32::try_from(locals.len()).unwrap_or(u32::MAX);
        let results = signature.map_or(&[][..], |signature| &signature.results);
        let is_simple = wrapper_type(results).is_some();
        let place = if charges.loops.is_empty() || charges.catches || !is_simple || !charges.computes {
            Place::Global
        } else {
            Place::Local(first)
        };
        let aside = match place {
            Place::Local(_) => put_aside(body, &locals)?,
            Place::Global => Vec::new(),
        };
        Ok(Self {
            module,
            plan,
            names,
            shelf,
            charges,
            place,
            aside,
            lengths: [first.saturating_add(1), first.saturating_add(2)],
            frames: Vec::new(),
            next_loop: 0,
            old: body.as_bytes(),
            old_start: body.range().start,
            code: Code::default(),
            hints: Vec::new(),
        })
    }

    /// Writes the whole function.
    fn body(&mut self, body: &FunctionBody<'a>, results: &[ValType]) -> Result<(), Error> {
        self.locals(body)?;
        self.enter();
        if let (Place::Local(_), Some(ty)) = (self.place, wrapper_type(results)) {
            // Jumps to the end of the function end here instead, where the countdown is put back.
            self.code.block(&[ty]);
        }
        self.frames.push(Frame {
            added: 0,
            wrapped: None,
        });
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let start = operators.original_position();
            let operator = operators.read()?;
            let from = start.saturating_sub(self.old_start);
            let to = operators.original_position().saturating_sub(self.old_start);
            self.operator(&operator, self.old.get(from..to).unwrap_or_default());
        }
        if let Place::Local(_) = self.place {
            self.put_back();
            self.code.end();
        }
        Ok(())
    }

    fn locals(&mut self, body: &FunctionBody<'a>) -> Result<(), Error> {
        let mut reader = body.get_locals_reader()?;
        let count = reader.get_count();
        let start = reader.original_position().saturating_sub(self.old_start);
        for _ in 0..count {
            reader.read()?;
        }
        let end = reader.original_position().saturating_sub(self.old_start);
        put_number(&mut self.code.0, u64::from(count) + 2);
        self.code.raw(self.old.get(start..end).unwrap_or_default());
        // The countdown and a 32-bit length, and a 64-bit length.
        self.code.raw(&[2, 0x7f, 1, 0x7e]);
        Ok(())
    }

    /// Takes the countdown, and what entering the function costs.
    fn enter(&mut self) {
        match (self.place, self.charges.entry) {
            (Place::Global, None) => {}
            (Place::Local(local), None) => {
                self.code.global_get(self.names.countdown).local_set(local);
            }
            (Place::Global, Some(units)) => self.charge(units),
            (Place::Local(local), Some(units)) => {
                self.code.global_get(self.names.countdown).local_set(local);
                self.charge(units);
            }
        }
    }

    /// Takes a number of units, and looks up if they are not there.
    fn charge(&mut self, cost: u32) {
        self.take(|code| {
            code.i32_const(cost.cast_signed());
        });
    }

    fn take(&mut self, cost: impl Fn(&mut Code)) {
        match self.place {
            Place::Local(local) => {
                self.code.local_get(local);
                cost(&mut self.code);
                self.code.i32_sub().local_tee(local).is_negative();
                self.hint();
                self.code.r#if().call(self.names.look_up);
                self.code.i32_const(units()).local_set(local).end();
            }
            Place::Global => {
                self.code.global_get(self.names.countdown);
                cost(&mut self.code);
                self.code.i32_sub().global_set(self.names.countdown);
                self.code.global_get(self.names.countdown).is_negative();
                self.hint();
                self.code.r#if().call(self.names.look_up).end();
            }
        }
    }

    /// The branch that is written next is hardly ever taken.
    fn hint(&mut self) {
        self.hints
            .push(u32::try_from(self.code.0.len()).unwrap_or(u32::MAX));
    }

    fn put_back(&mut self) {
        if let Place::Local(local) = self.place {
            self.code.local_get(local).global_set(self.names.countdown);
        }
    }

    fn take_up(&mut self) {
        if let Place::Local(local) = self.place {
            self.code.global_get(self.names.countdown).local_set(local);
        }
    }

    fn operator(&mut self, operator: &Operator<'a>, bytes: &[u8]) {
        match operator {
            Operator::Loop { blockty } => self.begin_loop(*blockty, bytes),
            Operator::Block { .. } | Operator::If { .. } => {
                self.code.raw(bytes);
                self.push(0, None);
            }
            Operator::TryTable { try_table } => {
                self.try_table(try_table, bytes);
                self.push(0, None);
            }
            Operator::End => self.end(),
            Operator::Br { relative_depth } => {
                let depth = self.depth(*relative_depth);
                self.code.br(depth);
            }
            Operator::BrIf { relative_depth } => {
                let depth = self.depth(*relative_depth);
                self.code.br_if(depth);
            }
            Operator::BrTable { targets } => self.br_table(targets),
            Operator::BrOnNull { relative_depth } | Operator::BrOnNonNull { relative_depth } => {
                self.branch(bytes, 1, *relative_depth);
            }
            // Two bytes of opcode, one that says which types may be null.
            Operator::BrOnCast { relative_depth, .. } | Operator::BrOnCastFail { relative_depth, .. } => {
                self.branch(bytes, 3, *relative_depth);
            }
            Operator::Return | Operator::Throw { .. } | Operator::ThrowRef => {
                self.put_back();
                self.code.raw(bytes);
            }
            other => self.plain(other, bytes),
        }
    }

    fn plain(&mut self, operator: &Operator<'a>, bytes: &[u8]) {
        let Some(callee) = callee(operator) else {
            if is_bulk(operator) {
                self.bulk(operator);
            }
            self.code.raw(bytes);
            return;
        };
        let leaves = matches!(
            operator,
            Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. }
        );
        let (_, spends) = self.plan.call(self.module, callee);
        if spends || leaves {
            self.put_back();
        }
        self.code.raw(bytes);
        if spends && !leaves {
            self.take_up();
        }
    }

    /// Takes what a long instruction costs: its last operand says how long it is.
    fn bulk(&mut self, operator: &Operator<'_>) {
        let is_64 = length_is_64(self.module, operator);
        let [short, long] = self.lengths;
        if is_64 {
            self.code.local_tee(long).local_get(long);
            self.code.i64_const(BULK_SHIFT.into()).i64_shr_u().i32_wrap_i64();
            // Never below zero, which would give units back.
            self.code.i32_const(i32::MAX >> BULK_SHIFT).i32_and();
        } else {
            self.code.local_tee(short).local_get(short);
            self.code.i32_const(BULK_SHIFT.into()).i32_shr_u();
        }
        self.code.local_set(short);
        self.take(|code| {
            code.local_get(short);
        });
    }

    fn push(&mut self, wrappers: u32, wrapped: Option<usize>) {
        let added = self.frames.last().map_or(0, |frame| frame.added);
        self.frames.push(Frame {
            added: added + wrappers,
            wrapped,
        });
    }

    fn begin_loop(&mut self, ty: BlockType, bytes: &[u8]) {
        let number = self.next_loop;
        let cost = self.charges.loops.get(number).copied().unwrap_or(1);
        self.next_loop += 1;
        let has_parameters = match ty {
            BlockType::Empty | BlockType::Type(_) => false,
            BlockType::FuncType(ty) => {
                let signature = self.module.signature(ty);
                signature.is_none_or(|signature| !signature.parameters.is_empty())
            }
        };
        let Place::Local(local) = self.place else {
            return self.begin_plain_loop(bytes, cost);
        };
        if has_parameters {
            return self.begin_plain_loop(bytes, cost);
        }
        let ty = bytes.get(1..).unwrap_or_default();
        self.code.block(ty).r#loop(ty).block(&[EMPTY]).raw(bytes);
        self.push(WRAPPERS, Some(number));
        self.code.local_get(local).i32_const(cost.cast_signed());
        self.code.i32_sub().local_tee(local).is_negative();
        self.hint();
        self.code.br_if(1);
    }

    fn begin_plain_loop(&mut self, bytes: &[u8], cost: u32) {
        self.code.raw(bytes);
        self.push(0, None);
        self.charge(cost);
    }

    fn end(&mut self) {
        self.code.end();
        let wrapped = self.frames.pop().and_then(|frame| frame.wrapped);
        if let (Some(number), Place::Local(local)) = (wrapped, self.place) {
            self.code.br(2).end();
            // Speed for a function that has grown out of proportion is not worth more growth.
            let is_fine = self.code.0.len() < self.old.len().saturating_mul(2).saturating_add(GROWTH_BYTES);
            let aside = if is_fine { self.shelve(number) } else { Vec::new() };
            for (variable, global) in &aside {
                self.code.local_get(*variable).global_set(*global);
            }
            self.code.call(self.names.look_up);
            for (variable, global) in &aside {
                self.code.global_get(*global).local_set(*variable);
            }
            self.code.i32_const(units()).local_set(local);
            self.code.br(0).end().end();
        }
    }

    /// Which variables of a loop go into which globals.
    fn shelve(&mut self, number: usize) -> Vec<(u32, u32)> {
        let mut counts: Vec<(ValType, usize)> = Vec::new();
        let mut shelved = Vec::new();
        for (variable, ty) in self.aside.get(number).into_iter().flatten() {
            let place = match counts.iter().position(|(other, _)| other == ty) {
                Some(place) => place,
                None => {
                    counts.push((*ty, 0));
                    counts.len() - 1
                }
            };
            let Some((_, count)) = counts.get_mut(place) else {
                continue;
            };
            if let Some(global) = self.shelf.place(*ty, *count) {
                shelved.push((*variable, global));
                *count += 1;
            }
        }
        shelved
    }

    /// How deep a label stands now.
    fn depth(&self, depth: u32) -> u32 {
        let last = self.frames.len().saturating_sub(1);
        let target = last.checked_sub(usize::try_from(depth).unwrap_or(usize::MAX));
        let added = |place: usize| self.frames.get(place).map_or(0, |frame| frame.added);
        let between = target.map_or(0, |target| added(last).saturating_sub(added(target)));
        depth.saturating_add(between)
    }

    /// A branch whose label follows some bytes, and is followed by others.
    fn branch(&mut self, bytes: &[u8], before: usize, depth: u32) {
        let depth = self.depth(depth);
        self.code.raw(bytes.get(..before).unwrap_or_default());
        put_number(&mut self.code.0, u64::from(depth));
        let rest = bytes.get(before..).unwrap_or_default();
        self.code.raw(rest.get(number_length(rest)..).unwrap_or_default());
    }

    fn br_table(&mut self, targets: &BrTable<'_>) {
        self.code.raw(&[0x0e]);
        put_number(&mut self.code.0, u64::from(targets.len()));
        for target in targets.targets().flatten().chain([targets.default()]) {
            let depth = self.depth(target);
            put_number(&mut self.code.0, u64::from(depth));
        }
    }

    fn try_table(&mut self, try_table: &TryTable, bytes: &[u8]) {
        let head = 1 + block_type_length(bytes.get(1..).unwrap_or_default());
        self.code.raw(bytes.get(..head).unwrap_or_default());
        put_number(&mut self.code.0, try_table.catches.len() as u64);
        for catch in &try_table.catches {
            let (kind, tag, label) = match catch {
                Catch::One { tag, label } => (0, Some(*tag), *label),
                Catch::OneRef { tag, label } => (1, Some(*tag), *label),
                Catch::All { label } => (2, None, *label),
                Catch::AllRef { label } => (3, None, *label),
            };
            self.code.raw(&[kind]);
            let label = self.depth(label);
            for number in tag.into_iter().chain([label]) {
                put_number(&mut self.code.0, u64::from(number));
            }
        }
    }
}

/// For each loop the variables that are put aside: those for which no register survives a call.
fn put_aside(body: &FunctionBody<'_>, locals: &[ValType]) -> Result<Vec<Vec<(u32, ValType)>>, Error> {
    let count = u32::try_from(locals.len()).unwrap_or(u32::MAX);
    let number = |variable: u32| {
        let ty = locals.get(usize::try_from(variable).ok()?)?;
        let survives = matches!(ty, ValType::I32 | ValType::I64 | ValType::Ref(_));
        (!survives).then_some((variable, *ty))
    };
    let at_loops = live::at_loops(body, count)?;
    let numbers = |live: Vec<u32>| live.into_iter().filter_map(number).collect();
    Ok(at_loops.into_iter().map(numbers).collect())
}

/// One unit is taken for so many bytes or elements of a long instruction: for 32.
const BULK_SHIFT: u8 = 5;

fn length_is_64(module: &Module<'_>, operator: &Operator<'_>) -> bool {
    match operator {
        Operator::MemoryFill { mem } => module.is_memory_64(*mem),
        Operator::MemoryCopy { dst_mem, src_mem } => {
            module.is_memory_64(*dst_mem) && module.is_memory_64(*src_mem)
        }
        Operator::TableFill { table } | Operator::TableGrow { table } => module.is_table_64(*table),
        Operator::TableCopy { dst_table, src_table } => {
            module.is_table_64(*dst_table) && module.is_table_64(*src_table)
        }
        _ => false,
    }
}

/// The type of a block that leaves what a function returns, where one byte says it.
fn wrapper_type(results: &[ValType]) -> Option<u8> {
    match results {
        [] => Some(EMPTY),
        [ValType::I32] => Some(0x7f),
        [ValType::I64] => Some(0x7e),
        [ValType::F32] => Some(0x7d),
        [ValType::F64] => Some(0x7c),
        [ValType::V128] => Some(0x7b),
        _ => None,
    }
}

/// How many bytes a number takes at the beginning of these.
fn number_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1
}

/// How many bytes a block type takes at the beginning of these.
fn block_type_length(bytes: &[u8]) -> usize {
    // A reference to a heap type: a byte, and a number.
    let is_reference = bytes.first().is_some_and(|byte| [0x63, 0x64].contains(byte));
    let rest = bytes.get(usize::from(is_reference)..).unwrap_or_default();
    usize::from(is_reference) + number_length(rest)
}
