//! Whether a file is valid, and if not: where, in which module and function, and why.

use std::fmt;

use wasmparser::{
    BinaryReaderError, ComponentName, FuncValidatorAllocations, KnownCustom, Name, Parser, Payload,
    ValidPayload, Validator, WasmFeatures,
};

use crate::contain::{Cause, contained};
use crate::kind::{self, Kind};
use crate::{bounds, text};

/// The WebAssembly features that the engine of Weft has: all of version 3.0, the component model, and its
/// asynchronous functions.
const FEATURES: WasmFeatures = WasmFeatures::WASM3
    .union(WasmFeatures::COMPONENT_MODEL)
    .union(WasmFeatures::CM_ASYNC);

/// What a valid file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Component or core module.
    pub kind: Kind,
    /// How long the binary is.
    pub bytes: usize,
    /// How many components there are, the outermost included.
    pub components: u64,
    /// How many core modules there are, the outermost included.
    pub modules: u64,
    /// How many functions have a body.
    pub functions: u64,
}

/// Why a file is not valid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes have no binary form.
    #[error(transparent)]
    Unreadable(#[from] text::Error),
    /// The file is nested too deep or divided into too many pieces.
    #[error(transparent)]
    Bounds(#[from] bounds::Error),
    /// The file breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// A broken rule and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid at offset {offset:#x} ({offset}){place}: {reason}", place = Inside(.path))]
pub struct Invalid {
    /// The offset in the binary.
    pub offset: usize,
    /// The parts around it, from the outermost part's children to the innermost; empty in the outermost part
    /// itself.
    pub path: Vec<Step>,
    /// What was found and what the rule wants.
    pub reason: String,
}

/// One step from a part into something inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is stepped into.
    pub into: Into,
    /// Its index: among the core modules or components that its parent defines, in the order of the file; for
    /// a function, in the index space of its module, which begins with imported functions.
    pub index: u32,
    /// Its name, where the file says one.
    pub name: Option<String>,
}

/// What a [`Step`] leads into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// A core module.
    Module,
    /// A component.
    Component,
    /// A function.
    Function,
}

impl fmt::Display for Into {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Module => "core module",
            Self::Component => "component",
            Self::Function => "function",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.into, self.index)?;
        match &self.name {
            Some(name) => write!(out, " `{}`", name.escape_debug()),
            None => Ok(()),
        }
    }
}

struct Inside<'a>(&'a [Step]);

impl fmt::Display for Inside<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            write!(out, "{}{step}", if position == 0 { " in " } else { ", " })?;
        }
        Ok(())
    }
}

/// Checks a file by every rule of WebAssembly, with the features that Weft's engine has.
///
/// Valid does not mean that it can be run: that also takes the imports to be there, and grants.
///
/// # Errors
/// The bytes are no WebAssembly, or break a rule; the error says where and which.
///
/// # Limits
/// Time in proportion to the file; nesting of at most 100 levels.
pub fn validate(bytes: &[u8]) -> Result<Summary, Error> {
    let wasm = text::to_binary(bytes)?;
    bounds::check(&wasm)?;
    let kind = kind::recognise(&wasm).map_err(text::Error::from)?;
    let mut walk = Walk::new(kind, wasm.len());
    for payload in Parser::new(0).parse_all(&wasm) {
        let step = payload.and_then(|payload| walk.payload(&payload));
        if let Err(error) = step {
            return Err(walk.explain(&wasm, &error).into());
        }
    }
    Ok(walk.summary)
}

/// Checks what a component shows: its types, its imports and its exports, and those of everything inside it,
/// but not the bodies of functions. Enough for reading its types safely, and much quicker than [`validate`].
///
/// # Errors
/// The bytes are no binary, are nested or divided beyond all reason, break a rule outside of the bodies of
/// functions, or declare types that would fill the memory when written out.
///
/// # Limits
/// Time in proportion to the file without its code.
pub fn surface(wasm: &[u8]) -> Result<(), Cause> {
    bounds::check(wasm)?;
    contained(|| crate::surface::check(wasm, FEATURES))
}

/// A part that is open.
struct Open {
    /// The step that led here; none for the outermost part.
    step: Option<Step>,
    /// Where the part begins.
    start: usize,
    modules: u32,
    components: u32,
}

struct Walk {
    validator: Validator,
    allocations: FuncValidatorAllocations,
    open: Vec<Open>,
    function: Option<u32>,
    summary: Summary,
}

impl Walk {
    fn new(kind: Kind, bytes: usize) -> Self {
        let mut summary = Summary {
            kind,
            bytes,
            components: 0,
            modules: 0,
            functions: 0,
        };
        match kind {
            Kind::Component => summary.components = 1,
            _ => summary.modules = 1,
        }
        Self {
            validator: Validator::new_with_features(FEATURES),
            allocations: FuncValidatorAllocations::default(),
            open: vec![Open {
                step: None,
                start: 0,
                modules: 0,
                components: 0,
            }],
            function: None,
            summary,
        }
    }

    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        self.function = None;
        let valid = self.validator.payload(payload)?;
        if let ValidPayload::Func(function, body) = valid {
            self.summary.functions += 1;
            self.function = Some(function.index);
            let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
            let result = validator.validate(&body);
            self.allocations = validator.into_allocations();
            return result;
        }
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                self.summary.modules += 1;
                self.enter(Into::Module, unchecked_range.start);
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                self.summary.components += 1;
                self.enter(Into::Component, unchecked_range.start);
            }
            Payload::End(_) => drop(self.open.pop()),
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, into: Into, start: usize) {
        let index = match (self.open.last_mut(), into) {
            (Some(parent), Into::Component) => {
                parent.components += 1;
                parent.components - 1
            }
            (Some(parent), _) => {
                parent.modules += 1;
                parent.modules - 1
            }
            (None, _) => 0,
        };
        self.open.push(Open {
            step: Some(Step {
                into,
                index,
                name: None,
            }),
            start,
            modules: 0,
            components: 0,
        });
    }

    fn explain(self, wasm: &[u8], error: &BinaryReaderError) -> Invalid {
        let mut path = Vec::new();
        let module_start = self.open.last().map_or(0, |part| part.start);
        for part in self.open {
            if let Some(mut step) = part.step {
                step.name = part_name(wasm, part.start);
                path.push(step);
            }
        }
        if let Some(index) = self.function {
            let name = function_name(wasm, module_start, index);
            path.push(Step {
                into: Into::Function,
                index,
                name,
            });
        }
        Invalid {
            offset: error.offset(),
            path,
            reason: error.message().to_owned(),
        }
    }
}

/// The name that a part says it has. Names usually come last in a part, so this reads on after the fault.
fn part_name(wasm: &[u8], start: usize) -> Option<String> {
    in_names(wasm, start, |names| match names {
        KnownCustom::Name(names) => names
            .into_iter()
            .map_while(Result::ok)
            .find_map(|name| match name {
                Name::Module { name, .. } => Some(name.to_owned()),
                _ => None,
            }),
        KnownCustom::ComponentName(names) => {
            names
                .into_iter()
                .map_while(Result::ok)
                .find_map(|name| match name {
                    ComponentName::Component { name, .. } => Some(name.to_owned()),
                    _ => None,
                })
        }
        _ => None,
    })
}

fn function_name(wasm: &[u8], module_start: usize, index: u32) -> Option<String> {
    in_names(wasm, module_start, |names| {
        let KnownCustom::Name(names) = names else {
            return None;
        };
        names.into_iter().map_while(Result::ok).find_map(|name| {
            let Name::Function(names) = name else { return None };
            let mut names = names.into_iter().map_while(Result::ok);
            names
                .find(|naming| naming.index == index)
                .map(|naming| naming.name.to_owned())
        })
    })
}

/// Looks through the custom sections of the part that begins at `start`, but not of parts inside it.
fn in_names<T>(wasm: &[u8], start: usize, look: impl Fn(KnownCustom<'_>) -> Option<T>) -> Option<T> {
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(wasm.get(start..)?) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.checked_sub(1)?,
            Payload::CustomSection(section) if depth == 0 => {
                if let Some(found) = look(section.as_known()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}
