//! Files and folders.

use std::ffi::{CString, c_char, c_int};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::time::SystemTime;

use crate::{Answer, Failure};

pub(crate) fn read(path: &str) -> Answer {
    let bytes = fs::read(path)?;
    Ok(format!(
        "{} bytes: {:?}",
        bytes.len(),
        String::from_utf8_lossy(&bytes)
    ))
}

pub(crate) fn write(path: &str, text: &str) -> Answer {
    fs::write(path, text)?;
    Ok(format!("{} bytes", text.len()))
}

pub(crate) fn append(path: &str, text: &str) -> Answer {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(text.as_bytes())?;
    Ok(format!("{} bytes", text.len()))
}

/// Names in a folder, sorted, folders with a slash behind them.
pub(crate) fn list(path: &str) -> Answer {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(format!("{} entries: {names:?}", names.len()))
}

/// What a path names, without following a link.
pub(crate) fn stat(path: &str) -> Answer {
    let metadata = fs::symlink_metadata(path)?;
    let modified = metadata
        .modified()?
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Ok(format!(
        "{} of {} bytes, modified {}",
        kind(&metadata),
        metadata.len(),
        modified.as_secs()
    ))
}

fn kind(metadata: &Metadata) -> &'static str {
    match metadata.file_type() {
        kind if kind.is_dir() => "folder",
        kind if kind.is_symlink() => "link",
        kind if kind.is_file() => "file",
        _ => "something else",
    }
}

pub(crate) fn rename(from: &str, to: &str) -> Answer {
    fs::rename(from, to)?;
    Ok("renamed".into())
}

/// Removes a file, a link or an empty folder.
pub(crate) fn remove(path: &str) -> Answer {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir(path)?
    } else {
        fs::remove_file(path)?
    }
    Ok("removed".into())
}

pub(crate) fn create_folder(path: &str) -> Answer {
    fs::create_dir(path)?;
    Ok("created".into())
}

pub(crate) fn link(target: &str, path: &str) -> Answer {
    fs::hard_link(target, path)?;
    Ok("linked".into())
}

/// The standard library's own function is not stable for WASI; this is the one underneath it.
pub(crate) fn symlink(target: &str, path: &str) -> Answer {
    unsafe extern "C" {
        fn symlink(target: *const c_char, path: *const c_char) -> c_int;
    }
    let (target, path) = (c_string(target)?, c_string(path)?);
    // SAFETY: both pointers are strings that end in zero and outlive the call.
    match unsafe { symlink(target.as_ptr(), path.as_ptr()) } {
        0 => Ok("linked".into()),
        _ => Err(io::Error::last_os_error().into()),
    }
}

fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|error| Failure::Usage(error.to_string()))
}

pub(crate) fn read_link(path: &str) -> Answer {
    Ok(fs::read_link(path)?.display().to_string())
}

/// Opens a file again and again and keeps every handle until the end.
pub(crate) fn open_many(path: &str, count: usize) -> Answer {
    let mut handles = Vec::new();
    while handles.len() < count {
        match File::open(path) {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                let kind = error.kind();
                return Err(Failure::Finding(format!(
                    "{kind:?}: {error}, after {} of {count} handles",
                    handles.len()
                )));
            }
        }
    }
    Ok(format!("{count} handles"))
}
