//! Servers that run, as other commands of the same user find them.
//!
//! Each server holds a lock on a file of its own, in a folder that belongs to the user; the file says what is served
//! and by which process. The lock ends with the process, however it ends, so a number that another process has by now
//! is never taken for a server.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::report::Report;
use crate::settings::Settings;

/// Bytes of a file that says who serves what.
const BYTES_MAX: u64 = 16 << 10;

/// Says that this process serves, for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Running {
    path: PathBuf,
    _locked: File,
}

impl Running {
    /// Makes this process known as the server of a file or folder. Without a home nobody finds it, and it serves all
    /// the same.
    pub(crate) fn announce(served: &Path, settings: &Settings) -> io::Result<Option<Self>> {
        let Some(folder) = &settings.running else {
            return Ok(None);
        };
        let served = served.canonicalize()?;
        fs_err::create_dir_all(folder)?;
        let path = folder.join(std::process::id().to_string());
        let mut file = fs_err::File::create(&path)?;
        // First of all: a file that nobody has locked is taken away by whoever looks.
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(served.as_os_str().as_encoded_bytes())?;
        let locked = file.into_file();
        Ok(Some(Self {
            path,
            _locked: locked,
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Left behind, it would be taken away by whoever looks next.
        let _ = fs_err::remove_file(&self.path);
    }
}

/// The processes that serve a file or folder.
pub(crate) fn servers_of(served: &Path, settings: &Settings) -> Result<Vec<Pid>, Report> {
    let failed = |error: io::Error| Report::failed("cannot look for running servers").caused_by(error);
    let wanted = served
        .canonicalize()
        .map_err(|error| Report::failed(format!("cannot find `{}`", served.display())).caused_by(error))?;
    let Some(folder) = settings.running.as_ref().filter(|folder| folder.is_dir()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Names and files that are gone, or are no server's, are nobody's to complain about.
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(Pid::from_raw)
        else {
            continue;
        };
        let Ok(file) = fs_err::File::open(entry.path()) else {
            continue;
        };
        if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
            let _ = fs_err::remove_file(entry.path());
            continue;
        }
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
        if bytes == wanted.as_os_str().as_encoded_bytes() {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Asks a server to take in what has changed.
pub(crate) fn ask_to_reload(server: Pid) -> io::Result<()> {
    Ok(kill_process(server, Signal::HUP)?)
}
