//! Guest code that counts what it does, so that threads can be shared without trusting anybody to let go of them.
//!
//! Every core module of a program is rewritten before it is compiled. A *countdown* of [`UNITS`] lives in a private
//! global of each module, and in a local variable of each function that loops. Loops take from it what one turn costs
//! at most, and so does entering a function that can be entered again before it returns, or that is long. Who finds
//! the countdown below zero starts it anew and *looks up*: asks its memory (or a table) to grow by [`LOOK_UP_DELTA`].
//! No memory can grow by that much, so nothing happens, except that the engine asks the host first. There the host may
//! take the thread away for a while, or end the guest.
//!
//! Nothing is imported or exported, no index shifts, and neither the guest nor its neighbours can tell the difference.
//! A decrement and a jump that is never taken cost far less than the engine's own checks, which read memory.
//!
//! What always holds: between two looks of one module lie at most [`UNITS`] units and one charge, whatever the module
//! does (`weigh.rs` says why); what needs no charge is copied byte for byte; a program that does not validate is
//! refused, so no guest can name the countdown.

mod binary;
mod body;
mod calls;
mod data;
mod live;
mod module;
mod plan;
mod weigh;

use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

use weft_sections::{HEADER_BYTES, put_section, sections};

/// Goes up whenever the same program is rewritten into another one: code made before does not fit any more.
pub const VERSION: u32 = 2;

/// Units that a module may spend before it looks up; a unit is about one instruction of WebAssembly.
pub const UNITS: u32 = 300_000;

/// By how many pages or elements a memory or table is asked to grow when a guest looks up.
pub const LOOK_UP_DELTA: u32 = u32::MAX;

/// How deep components may be nested.
const DEPTH_MAX: usize = 100;

/// Sections of a component that hold a part of it.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// Why a program cannot be made to count.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The bytes do not read or do not validate.
    #[error("the program is not valid")]
    Malformed(#[from] BinaryReaderError),
    /// An instruction that could leave a function without the countdown being kept.
    #[error("the program uses {what}, which cannot be counted")]
    Unsupported {
        /// What it uses.
        what: &'static str,
    },
    /// Components inside components beyond all reason.
    #[error("components are nested more than {DEPTH_MAX} deep")]
    TooDeep,
}

/// Makes a component or a core module count, at any depth.
///
/// Line numbers do not survive: what maps addresses to lines is left out of the result. Names of functions stay.
///
/// # Errors
/// When the program is not valid, or uses instructions that no engine here runs.
pub fn rewrite(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    // Only what is valid before may be rewritten: an index that is one too large would name what is added here.
    Validator::new_with_features(WasmFeatures::all()).validate_all(wasm)?;
    part(wasm, is_component(wasm), 0)
}

fn is_component(wasm: &[u8]) -> bool {
    wasm.get(4..HEADER_BYTES) == Some(&[0x0d, 0x00, 0x01, 0x00])
}

/// Recursive, but not deeper than the bound.
fn part(wasm: &[u8], is_component: bool, depth: usize) -> Result<Vec<u8>, Error> {
    if depth > DEPTH_MAX {
        return Err(Error::TooDeep);
    }
    if !is_component {
        return module::rewrite(wasm);
    }
    let mut rewritten = Vec::with_capacity(wasm.len() + wasm.len() / 4);
    rewritten.extend_from_slice(wasm.get(..HEADER_BYTES).unwrap_or_default());
    for section in sections(wasm) {
        let section = section?;
        match section.id {
            id @ (MODULE | COMPONENT) => {
                let inner = part(section.body, id == COMPONENT, depth + 1)?;
                put_section(&mut rewritten, id, &inner);
            }
            _ => rewritten.extend_from_slice(section.whole),
        }
    }
    Ok(rewritten)
}

#[cfg(test)]
mod tests {
    use super::{Error, rewrite};

    #[test]
    fn a_module_that_needs_no_charge_is_returned_as_it_is() {
        let wasm = wat::parse_str("(module (func (export \"f\") (result i32) (i32.const 7)))").unwrap();
        assert_eq!(rewrite(&wasm).unwrap(), wasm);
    }

    #[test]
    fn modules_are_rewritten_at_any_depth() {
        let text = "(component (component (core module (func (loop $on (br $on))))))";
        let wasm = wat::parse_str(text).unwrap();
        assert!(rewrite(&wasm).unwrap().len() > wasm.len());
    }

    #[test]
    fn what_is_not_valid_is_not_made_valid() {
        // The variable that would be added has this number.
        let wasm = wat::parse_str("(module (func (loop $on (local.set 0 (i32.const 1)) (br $on))))").unwrap();
        assert!(matches!(rewrite(&wasm), Err(Error::Malformed(_))));
    }
}
