//! The inputs that a run starts from: files kept beside the fuzz targets.

use std::path::{Path, PathBuf};

/// An input and what it is called.
pub(crate) struct Seed {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The corpus of a target and its regressions, in the order of their names.
pub(crate) fn read(target: &str) -> Vec<Seed> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seeds = Vec::new();
    for folder in ["corpus", "regressions"] {
        let folder = fuzz.join(folder).join(target);
        if !folder.exists() {
            continue;
        }
        let mut paths: Vec<PathBuf> = fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        seeds.extend(paths.iter().map(|path| Seed {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            bytes: fs_err::read(path).unwrap(),
        }));
    }
    assert!(!seeds.is_empty(), "there is no corpus for `{target}`");
    seeds
}
