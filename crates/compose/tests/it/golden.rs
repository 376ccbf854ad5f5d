//! Comparing with files that were looked at once. `BLESS=1` writes them anew.

use std::path::PathBuf;

/// Compares a text with the file of this name below `tests/ui`.
#[track_caller]
pub(crate) fn check(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/ui")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, found).unwrap();
        return;
    }
    let expected = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "`tests/ui/{name}` differs; `BLESS=1 cargo test -p weft-compose` accepts what was found:\n{found}"
    );
}
