//! Sealed artifacts: machine code that must be exactly what this machine's key has sealed.

use std::sync::LazyLock;

use tempfile::TempDir;
use weft_inspect::text::to_binary;
use weft_runtime::error::LoadError;
use weft_runtime::program::Trust;
use weft_runtime::seal::{self, MadeFor, SealError, SealKey, Sealed};
use weft_runtime::{Concurrency, Engine, EngineOptions, Inlining, Interruption, Profile, Program};

/// The longest file that edits may grow to.
const FILE_BYTES_MAX: usize = 1 << 20;

const MADE_FOR: MadeFor = MadeFor {
    profile: Profile::Command(Concurrency::Off),
    inlining: Inlining::On,
    interruption: Interruption::None,
};

/// What is made once: an engine, its key, somebody else's key, and an artifact that the engine would run.
struct Bench {
    engine: Engine,
    own_key: SealKey,
    other_key: SealKey,
    sealed: Vec<u8>,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder for two keys");
    let key = |name| SealKey::open_or_create(&folder.path().join(name)).expect("a key");
    let (own_key, other_key) = (key("own"), key("other"));
    let engine = Engine::new(MADE_FOR.profile, EngineOptions::default()).expect("an engine");
    let wasm =
        to_binary(b"(module (func (export \"f\")))").expect("the text of a program that never changes");
    let program = Program::compile(&engine, &wasm).expect("a program that never changes");
    let artifact = program.serialize().expect("machine code");
    let sealed = seal::seal(artifact, MADE_FOR, &wasm, &own_key);
    Bench {
        engine,
        own_key,
        other_key,
        sealed,
    }
});

/// Hands forged and damaged artifacts to the check that stands before the engine. The bytes are a file, then a
/// list of edits to a genuine one, then what follows genuine machine code, then code that somebody else sealed.
///
/// # Panics
/// Where anything but the genuine artifact passes, or the engine is asked about anything else.
pub fn artifact(data: &[u8]) {
    is_refused(data);
    let edited = edit(&BENCH.sealed, data);
    if edited == BENCH.sealed {
        is_run(&edited);
    } else {
        is_refused(&edited);
    }
    let machine_code = seal::read(&BENCH.sealed).map_or(&[][..], |sealed| sealed.artifact);
    is_refused(&[machine_code, data].concat());
    anybody_can_seal_but_not_with_our_key(data);
}

fn is_run(file: &[u8]) {
    let sealed = seal::read(file).unwrap_or_else(|| panic!("the genuine artifact is not read"));
    let made_for = sealed.made_for().map_err(|error| error.to_string());
    assert_eq!(made_for, Ok(MADE_FOR));
    let program = Program::from_sealed(&BENCH.engine, &sealed, Trust::Key(&BENCH.own_key));
    assert!(
        program.is_ok(),
        "the genuine artifact is refused: {:?}",
        program.err()
    );
}

fn is_refused(file: &[u8]) {
    let Some(sealed) = seal::read(file) else { return };
    // What is only whole may be run by those who trust it, so this much of it must be genuine or sealed anew.
    if sealed.check_whole().is_ok() {
        assert!(sealed.made_for().is_ok_and(|made_for| made_for == MADE_FOR));
        assert!(seal::read(&BENCH.sealed).is_some_and(|genuine| genuine.artifact == sealed.artifact));
    }
    stops_before_the_engine(&sealed);
}

fn stops_before_the_engine(sealed: &Sealed<'_>) {
    assert!(sealed.check_seal(&BENCH.own_key).is_err(), "a forged seal fits");
    match Program::from_sealed(&BENCH.engine, sealed, Trust::Key(&BENCH.own_key)) {
        Err(LoadError::Seal(_)) => {}
        Err(error) => panic!("the engine was asked about a forged artifact: {error}"),
        Ok(_) => panic!("a forged artifact would run"),
    }
}

fn anybody_can_seal_but_not_with_our_key(code: &[u8]) {
    let file = seal::seal(code.to_vec(), MADE_FOR, code, &BENCH.other_key);
    let sealed = seal::read(&file).unwrap_or_else(|| panic!("what was sealed is not read"));
    assert_eq!(sealed.artifact, code);
    assert!(sealed.check_whole().is_ok() && sealed.check_seal(&BENCH.other_key).is_ok());
    assert!(matches!(
        sealed.check_seal(&BENCH.own_key),
        Err(SealError::Foreign)
    ));
    stops_before_the_engine(&sealed);
}

/// Changes a file as the bytes say, four for each change: what to do, where (counted from the end, since the
/// seal is there), and with which byte. Bytes that are left over do nothing.
fn edit(file: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut edited = file.to_vec();
    for change in edits.as_chunks::<4>().0 {
        let [what, low, high, byte] = *change;
        let from_end = usize::from(u16::from_le_bytes([low, high]));
        let at = edited.len().saturating_sub(from_end + 1);
        match what % 6 {
            0 => {
                if let Some(changed) = edited.get_mut(at) {
                    *changed ^= byte;
                }
            }
            1 => edited.truncate(at),
            2 => edited.insert(at, byte),
            3 => edited.push(byte),
            4 => drop(edited.drain(..usize::from(byte).min(edited.len()))),
            _ if edited.len() < FILE_BYTES_MAX => edited.extend_from_within(at..),
            _ => {}
        }
    }
    edited
}
