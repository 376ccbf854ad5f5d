//! Copies a log to standard output with every e-mail address hidden.
//!
//! It opens the log and hands the stream over; it never sees a byte of it.

wit_bindgen::generate!({
    path: "../wit",
    world: "program",
    with: {
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use std::process::ExitCode;

use example::redact::redactor;
use wasip2::cli::{stdin, stdout};
use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use wasip2::io::streams::InputStream;

fn main() -> ExitCode {
    match redact(std::env::args().nth(1).as_deref()) {
        Ok(said) => {
            eprintln!("{said}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn redact(name: Option<&str>) -> Result<String, String> {
    let from = match name {
        None => stdin::get_stdin(),
        Some(name) => open(name)?,
    };
    let totals = redactor::redact(from, stdout::get_stdout())?;
    Ok(format!(
        "{} lines, {} bytes, CRC-32 {:08x}",
        totals.lines, totals.bytes, totals.checksum
    ))
}

/// A file in the folder of logs, as a stream.
fn open(name: &str) -> Result<InputStream, String> {
    let cannot = |code| format!("cannot read `{name}`: {code:?}");
    let (logs, _) = preopens::get_directories()
        .into_iter()
        .find(|(_, path)| path == "/logs")
        .ok_or("there is no folder `/logs`")?;
    let file = logs
        .open_at(
            PathFlags::empty(),
            name,
            OpenFlags::empty(),
            DescriptorFlags::READ,
        )
        .map_err(cannot)?;
    file.read_via_stream(0).map_err(cannot)
}
