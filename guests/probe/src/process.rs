//! What a program is given when it starts: arguments, environment, standard streams.

use std::io::{self, Read as _, Write as _};

use crate::{Answer, Failure};

pub(crate) fn arguments(rest: &[&str]) -> Answer {
    Ok(format!("{rest:?}"))
}

pub(crate) fn variable(name: &str) -> Answer {
    std::env::var(name).map_err(|error| Failure::Finding(format!("`{name}`: {error}")))
}

/// All variables in the order in which the host gave them.
pub(crate) fn variables() -> Answer {
    let variables: Vec<String> = std::env::vars()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Ok(format!("{variables:?}"))
}

pub(crate) fn current_folder() -> Answer {
    Ok(std::env::current_dir()?.display().to_string())
}

/// Copies standard input to standard output, each piece as soon as it has come.
pub(crate) fn echo() -> Result<(), Failure> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = input.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        output.write_all(&piece[..length])?;
        output.flush()?;
    }
}

pub(crate) fn complain(text: &str) -> Result<(), Failure> {
    writeln!(io::stderr().lock(), "{text}")?;
    Ok(())
}

/// Writes so many bytes, all of them the letter x.
pub(crate) fn output(bytes: u64) -> Result<(), Failure> {
    let copied = io::copy(&mut io::repeat(b'x').take(bytes), &mut io::stdout().lock())?;
    io::stdout().flush()?;
    if copied == bytes {
        Ok(())
    } else {
        Err(Failure::Finding(format!("wrote {copied} of {bytes} bytes")))
    }
}
