//! What ends a process at a chosen call to the system; see `tests/faults/faults.c`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds what counts and ends calls; none, and a loud word, where there is no C compiler.
pub(crate) fn library(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/faults.c");
    let library = folder.join("faults.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    match built {
        Ok(status) if status.success() => Some(library),
        Ok(status) => panic!("`cc` ended with {status}"),
        Err(error) => {
            eprintln!("SKIPPED: no C compiler to build the fault injection with: {error}");
            None
        }
    }
}

/// The calls to end at, of so many that were counted: `usual` of them, or what `WEFT_TEST_FAULTS` says.
pub(crate) fn chosen(calls: usize, usual: usize) -> Vec<usize> {
    match std::env::var("WEFT_TEST_FAULTS").as_deref() {
        // Threads make the number differ from run to run.
        Ok("all") => (1..=calls + calls / 4).collect(),
        Ok(text) => spread(calls, text.parse().unwrap()),
        Err(_) => spread(calls, usual),
    }
}

fn spread(calls: usize, chosen: usize) -> Vec<usize> {
    let first = 1 + fastrand::usize(..calls.div_ceil(chosen));
    (first..=calls).step_by(calls.div_ceil(chosen)).collect()
}

/// A number from the environment, or the usual one.
pub(crate) fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}
