//! What building says while it happens.

use std::io::Write as _;

/// Writes one line to standard error.
///
/// Straight to the stream: what the printing macros write inside a test is kept back until the test fails, and a
/// person who waits for a compiler wants to know now.
pub fn announce(line: &str) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
