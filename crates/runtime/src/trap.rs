//! Traps, told so that they help: what happened and where, with names and source lines where there are any.

use std::fmt;

use wasmtime::{FrameInfo, FrameSymbol, Trap, WasmBacktrace};

use crate::bridge::LinkFailed;

/// Why a guest trapped, and the guest's own stack at that moment, innermost frame first.
#[derive(Debug, Clone)]
pub struct TrapReport {
    /// What happened, in one sentence.
    pub reason: String,
    /// The stack.
    pub frames: Vec<Frame>,
}

/// One function on the stack.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The core module, by the name it carries.
    pub module: Option<String>,
    /// The function: its name without mangling, or its index.
    pub function: String,
    /// Where in the module's binary, in bytes from its start.
    pub offset: Option<usize>,
    /// Places in the source, innermost inlined function first; empty without debug information.
    pub source: Vec<SourcePlace>,
}

/// A place in the source of a guest.
#[derive(Debug, Clone)]
pub struct SourcePlace {
    /// The function as the source calls it.
    pub function: Option<String>,
    /// The file as the compiler recorded it.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

impl TrapReport {
    pub(crate) fn new(error: &wasmtime::Error) -> Self {
        let frames = error
            .downcast_ref::<WasmBacktrace>()
            .map(WasmBacktrace::frames)
            .unwrap_or_default();
        let own = frames.iter().map(Frame::new);
        // What happened in a cell that was called stands before what led there.
        let mut frames = Vec::new();
        if let Some(failed) = error.downcast_ref::<LinkFailed>() {
            frames.extend(failed.fate.frames().iter().cloned());
            frames.push(Frame::link(&failed.callee, &failed.function));
        }
        frames.extend(own);
        Self {
            reason: reason(error),
            frames,
        }
    }
}

fn reason(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        // The engine wraps the cause in the backtrace, which is shown on its own.
        None => error.root_cause().to_string(),
    }
}

impl Frame {
    /// Where a call left one cell for another.
    fn link(callee: &str, function: &str) -> Self {
        Self {
            module: None,
            function: format!("isolated link to `{callee}`: {function}"),
            offset: None,
            source: Vec::new(),
        }
    }

    pub(crate) fn new(frame: &FrameInfo) -> Self {
        Self {
            module: frame.module().name().map(str::to_owned),
            function: function_name(frame),
            offset: frame.module_offset(),
            source: frame.symbols().iter().filter_map(SourcePlace::new).collect(),
        }
    }
}

/// The function's name without mangling, or its index.
pub(crate) fn function_name(frame: &FrameInfo) -> String {
    let mut name = String::new();
    // Writing into a string cannot fail.
    let _ = wasmtime_environ::demangle_function_name_or_index(
        &mut name,
        frame.func_name(),
        frame.func_index() as usize,
    );
    name
}

impl SourcePlace {
    fn new(symbol: &FrameSymbol) -> Option<Self> {
        let function = symbol.name().map(|name| {
            let mut demangled = String::new();
            let _ = wasmtime_environ::demangle_function_name(&mut demangled, name);
            demangled
        });
        Some(Self {
            function,
            file: symbol.file()?.to_owned(),
            line: symbol.line(),
            column: symbol.column(),
        })
    }
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, ":{line}:{column}"),
            (Some(line), None) => write!(f, ":{line}"),
            _ => Ok(()),
        }
    }
}
