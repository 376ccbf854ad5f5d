//! The guest programs of `guests/`: which there are, where each lies once built, and how to get it there.
//!
//! Tests ask for [`guest`]; `cargo xtask guests` uses [`list`] and [`Guest::build_with`] for the rest.
//! Guests that need only Rust ([`Guest::needs_only_rust`]) are built on demand; those of other languages exist only
//! after `cargo xtask guests --all`. A guest is stale when the *contents* of its sources differ from those it was
//! built from: times of files say nothing after a checkout. Any number of processes may ask at once; one builds.
//!
//! Adding a guest: a folder in `guests/` (or a file in `guests/wat/`), and a line in `catalogue.rs`.

mod c;
mod catalogue;
mod progress;
mod rust;
mod stamp;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub use c::{CCompiler, ZIG_VERSION, c_compiler, cache, python_folder};
pub use catalogue::{Form, Guest, Language, Recipe, Target, find, list};
pub use progress::announce;

/// The variable that turns a missing guest of another language from a skipped test into a failed one.
pub const ALL_GUESTS_VARIABLE: &str = "WEFT_ALL_GUESTS";

/// The binary of a guest, built first where it is missing or stale.
///
/// # Panics
///
/// With the reason, where no guest has the name or it cannot be built.
///
/// # Authority
///
/// Runs `cargo build` and perhaps `rustup target add`; writes below `target/guests`.
pub fn guest(name: &str) -> PathBuf {
    find(name)
        .and_then(|guest| guest.build())
        .unwrap_or_else(|error| panic!("cannot provide guest `{name}`: {error:#}"))
}

/// The binary of a guest whose tool chain not everybody has. Builds nothing.
///
/// # Errors
///
/// Where the guest was not built or is stale. The reason is also printed, so that nobody takes a skipped test for one
/// that passed.
///
/// # Panics
///
/// Where no guest has the name; and instead of an error, where `WEFT_ALL_GUESTS` is `1`.
pub fn guest_if_available(name: &str) -> Result<PathBuf, Skip> {
    let guest = find(name).unwrap_or_else(|error| panic!("{error:#}"));
    let reason = match guest.state() {
        Ok(State::Current) => return Ok(guest.path()),
        Ok(State::Missing) => format!("guest `{name}` is not built; `cargo xtask guests --all` builds it"),
        Ok(State::Stale) => format!("guest `{name}` is stale; `cargo xtask guests --all` builds it anew"),
        Err(error) => panic!("cannot look at guest `{name}`: {error:#}"),
    };
    Err(skip(reason))
}

/// Says why a test is skipped; fails it where nothing may be missing.
fn skip(reason: String) -> Skip {
    if std::env::var_os(ALL_GUESTS_VARIABLE).is_some_and(|value| value == "1") {
        panic!("{reason} ({ALL_GUESTS_VARIABLE} is set)");
    }
    announce(&format!("skipped: {reason}"));
    Skip { reason }
}

/// The text of a guest written in the text format, as it lies in the repository.
///
/// # Panics
///
/// Where there is no such file.
pub fn text(name: &str) -> PathBuf {
    let path = sources().join("wat").join(format!("{name}.wat"));
    assert!(path.is_file(), "there is no guest text `{}`", path.display());
    path
}

/// Why a test has to do without a guest.
#[derive(Debug)]
pub struct Skip {
    reason: String,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Skip {}

/// What lies where the binary of a guest belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The binary of the sources as they are now.
    Current,
    /// Nothing.
    Missing,
    /// The binary of other sources.
    Stale,
}

impl Guest {
    /// Where the binary lies once built.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        output().join(format!("{}.wasm", self.name))
    }

    /// Whether the binary is there and belongs to the sources.
    ///
    /// # Errors
    ///
    /// Where the sources cannot be read.
    pub fn state(&self) -> Result<State> {
        self.state_against(&self.digest()?)
    }

    /// Builds the guest where it is missing or stale, and says where it lies.
    ///
    /// # Errors
    ///
    /// Where it is a guest of another language, or building it fails.
    pub fn build(&self) -> Result<PathBuf> {
        match &self.recipe {
            Recipe::Rust { package, target } => {
                self.build_with(|binary| rust::build(package, *target, binary))
            }
            Recipe::Text { file } => self.build_with(|binary| text::assemble(&sources().join(file), binary)),
            Recipe::Foreign { language, .. } => {
                bail!("{language} guests are built by `cargo xtask guests --all`")
            }
        }
    }

    /// Does the same with a given way of making the binary: `make` writes it to the path it is given.
    ///
    /// The old binary stays until the new one is whole, and no other process builds a guest meanwhile.
    ///
    /// # Errors
    ///
    /// Where `make` fails or files below `target/guests` cannot be written.
    pub fn build_with(&self, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let digest = self.digest()?;
        if self.state_against(&digest)? == State::Current {
            return Ok(self.path());
        }
        fs_err::create_dir_all(output())?;
        let _lock = stamp::lock(&output())?;
        // Whoever held the lock may have built it.
        if self.state_against(&digest)? == State::Current {
            return Ok(self.path());
        }
        announce(&format!("building guest {} ({})", self.name, self.recipe));
        let unfinished = output().join(format!("{}.unfinished", self.name));
        make(&unfinished).with_context(|| format!("cannot build guest `{}`", self.name))?;
        stamp::install(&unfinished, &self.path(), &digest)?;
        Ok(self.path())
    }

    fn digest(&self) -> Result<String> {
        stamp::digest(&format!("{:?}", self.recipe), &repository(), &self.inputs())
    }

    fn state_against(&self, digest: &str) -> Result<State> {
        stamp::state(&self.path(), digest)
    }
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path.pop();
    path
}

/// The folder of the guests' sources.
#[must_use]
pub fn sources() -> PathBuf {
    repository().join("guests")
}

/// The folder of the built guests: always in the repository's own `target`, whatever folder cargo was told to use.
#[must_use]
pub fn output() -> PathBuf {
    repository().join("target").join("guests")
}

#[cfg(test)]
mod tests {
    use super::{find, guest, guest_if_available};

    #[test]
    fn guests_of_rust_and_of_text_are_built_from_within_a_test() {
        for name in ["hello.p1", "hello.wat"] {
            let binary = fs_err::read(guest(name)).unwrap();
            assert!(binary.starts_with(b"\0asm\x01\0\0\0"), "{name}");
        }
    }

    #[test]
    fn many_may_ask_for_a_stale_guest_at_once_and_one_builds_it() {
        let guest = find("arithmetic.wat").unwrap();
        let stamp = guest.path().with_extension("wasm.stamp");
        guest.build().unwrap();
        fs_err::write(stamp, "other sources").unwrap();
        let built = std::sync::atomic::AtomicUsize::new(0);
        let ask = || {
            guest
                .build_with(|binary| {
                    built.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    Ok(fs_err::write(
                        binary,
                        wat::parse_file(super::text("arithmetic"))?,
                    )?)
                })
                .unwrap()
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(ask);
            }
        });
        assert_eq!(built.into_inner(), 1);
    }

    #[test]
    #[should_panic(expected = "no guest is called `nobody`")]
    fn a_name_that_no_guest_has_fails_the_test() {
        let _ = guest("nobody");
    }

    #[test]
    #[should_panic(expected = "no guest is called `nobody.c`")]
    fn a_name_that_no_guest_has_is_no_reason_to_skip() {
        let _ = guest_if_available("nobody.c");
    }
}
