//! New apps: the files of a template, written into a folder of their own.
//!
//! A template is a handful of files in a folder beside this one, with `{app}` where the app's name goes. What is
//! written must run as it is: `weft new x && cd x && weft up` is tested.
//!
//! Adding a template: its files, a variant of [`Template`], its list in `Template::files`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use weft_app::Name;

/// What a new app is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// One program in Rust.
    Program,
    /// A program in Rust and a library beside it, which is granted nothing.
    Pair,
}

/// Why no app was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody's files are there, and are left alone.
    #[error("`{}` is not empty", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Template {
    /// Its files: where each goes, and what is in it.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        const IGNORED: (&str, &str) = (".gitignore", "/target\n");
        match self {
            Self::Program => &[
                ("weft.toml", include_str!("program/manifest.toml")),
                ("Cargo.toml", include_str!("program/package.toml")),
                ("src/main.rs", include_str!("program/main.rs")),
                ("README.md", include_str!("program/readme.md")),
                IGNORED,
            ],
            Self::Pair => &[
                ("weft.toml", include_str!("pair/manifest.toml")),
                ("Cargo.toml", include_str!("pair/workspace.toml")),
                ("wit/greeting.wit", include_str!("pair/greeting.wit")),
                ("program/Cargo.toml", include_str!("pair/program.toml")),
                ("program/src/main.rs", include_str!("pair/program.rs")),
                ("greeter/Cargo.toml", include_str!("pair/greeter.toml")),
                ("greeter/src/lib.rs", include_str!("pair/greeter.rs")),
                ("README.md", include_str!("pair/readme.md")),
                IGNORED,
            ],
        }
    }
}

/// Writes a new app into a folder, which is made if it is not there.
///
/// # Errors
/// The folder holds something already, or the file system refuses; files written until then stay.
///
/// # Authority
/// Makes that folder and files in it. An existing file is never overwritten.
pub fn create(folder: &Path, name: &Name, template: Template) -> Result<(), Error> {
    fs_err::create_dir_all(folder)?;
    if fs_err::read_dir(folder)?.next().is_some() {
        return Err(Error::NotEmpty {
            folder: folder.to_owned(),
        });
    }
    for (file, text) in template.files() {
        let path = folder.join(file);
        if let Some(above) = path.parent() {
            fs_err::create_dir_all(above)?;
        }
        let mut made = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)?;
        made.write_all(text.replace("{app}", name.as_str()).as_bytes())?;
    }
    Ok(())
}
