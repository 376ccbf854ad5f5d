//! Folders that are not safe, not writable, or not folders.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at any surprise"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use weft_runtime::cache::{Cache, Error, Lookup, Which};

use super::{Place, insert, is_hit, key, meta};

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn folders_and_files_are_for_this_user_alone() {
    let place = Place::new();
    let content = insert(&place.cache(), "a", 100);
    let mode = |path: PathBuf| fs_err::metadata(path).unwrap().mode() & 0o777;
    for folder in [
        place.root(),
        place.folder(""),
        place.folder("index"),
        place.folder("artifacts"),
    ] {
        assert_eq!(mode(folder), 0o700);
    }
    assert_eq!(mode(place.index_file(&key("a"))), 0o600);
    assert_eq!(mode(place.artifact_file(&content)), 0o600);
}

#[test]
fn an_insertion_over_a_link_replaces_the_link_and_not_its_target() {
    let place = Place::new();
    let cache = place.cache();
    let content = insert(&cache, "a", 300);
    let precious = place.scratch.path().join("precious");
    fs_err::write(&precious, b"precious").unwrap();
    for path in [place.index_file(&key("a")), place.artifact_file(&content)] {
        fs_err::remove_file(&path).unwrap();
        symlink(&precious, &path).unwrap();
    }
    insert(&cache, "a", 300);
    assert!(is_hit(&cache, "a"));
    assert_eq!(fs_err::read(&precious).unwrap(), b"precious");
}

#[test]
fn a_folder_inside_that_is_a_link_is_refused() {
    for folder in ["", "index", "artifacts"] {
        let place = Place::new();
        let cache = place.cache();
        insert(&cache, "a", 300);
        let (path, elsewhere) = (place.folder(folder), place.scratch.path().join("elsewhere"));
        let path = PathBuf::from(path.to_str().unwrap().trim_end_matches('/'));
        fs_err::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        for error in [
            cache.lookup(&key("a")).unwrap_err(),
            cache.insert(&key("b"), &meta("b"), b"b").unwrap_err(),
            cache.list().unwrap_err(),
            cache.clean(Which::All).unwrap_err(),
        ] {
            assert!(matches!(error, Error::NotAFolder { .. }), "{error}");
        }
    }
}

#[test]
fn a_lock_that_is_a_link_is_refused() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let precious = place.scratch.path().join("precious");
    symlink(&precious, place.folder("lock")).unwrap();
    assert!(matches!(
        cache.clean(Which::All).unwrap_err(),
        Error::Io {
            action: "open the lock",
            ..
        }
    ));
    assert!(!precious.exists());
}

#[test]
fn the_root_may_be_our_own_link_to_a_folder_that_is_there() {
    let place = Place::new();
    let elsewhere = place.scratch.path().join("elsewhere");
    symlink(&elsewhere, place.root()).unwrap();
    let error = place.cache().insert(&key("a"), &meta("a"), b"a").unwrap_err();
    assert!(
        matches!(error, Error::Io { .. }),
        "a link into nothing is not created through: {error}"
    );
    fs_err::create_dir_all(&elsewhere).unwrap();
    set_mode(&elsewhere, 0o755);
    insert(&place.cache(), "a", 300);
    assert!(is_hit(&place.cache(), "a"));
}

#[test]
fn a_root_that_is_a_file_is_refused() {
    let place = Place::new();
    fs_err::write(place.root(), b"").unwrap();
    assert!(matches!(
        place.cache().lookup(&key("a")).unwrap_err(),
        Error::NotAFolder { .. }
    ));
}

#[test]
fn a_relative_root_is_refused() {
    let error = Cache::open("cache", 1).unwrap_err();
    assert_eq!(error.to_string(), "cache folder `cache` is not an absolute path");
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    for folder in [
        place.root(),
        place.folder(""),
        place.folder("index"),
        place.folder("artifacts"),
    ] {
        set_mode(&folder, 0o777);
        let error = cache.lookup(&key("a")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("can be written by other users (mode 777)"),
            "{error}"
        );
        assert!(cache.insert(&key("b"), &meta("b"), b"b").is_err());
        set_mode(&folder, 0o700);
    }
    assert!(is_hit(&cache, "a"));
}

#[test]
fn what_another_user_owns_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only the administrator can give folders away; the rule itself has a test of its own in the crate.
        return;
    }
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    std::os::unix::fs::chown(place.root(), Some(4321), None).unwrap();
    let error = cache.lookup(&key("a")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("belongs to user 4321, expected user 0 or root"),
        "{error}"
    );

    let elsewhere = place.scratch.path().join("elsewhere");
    fs_err::rename(place.root(), &elsewhere).unwrap();
    std::os::unix::fs::chown(&elsewhere, Some(0), None).unwrap();
    symlink(&elsewhere, place.root()).unwrap();
    assert!(is_hit(&cache, "a"));
    std::os::unix::fs::lchown(place.root(), Some(4321), None).unwrap();
    let error = cache.lookup(&key("a")).unwrap_err();
    assert!(
        error.to_string().contains("is a symbolic link of user 4321"),
        "{error}"
    );
}

/// Runs this as somebody whom permissions bind: the administrator writes through all of them.
fn as_an_ordinary_user(place: &Place, work: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        return work();
    }
    let files = ["index", "artifacts"].into_iter().flat_map(|folder| {
        let names = place.names(folder);
        names.into_iter().map(move |name| place.folder(folder).join(name))
    });
    let folders = [
        place.root(),
        place.folder(""),
        place.folder("index"),
        place.folder("artifacts"),
    ];
    for path in folders
        .into_iter()
        .chain(files)
        .chain([place.scratch.path().to_owned()])
    {
        std::os::unix::fs::chown(path, Some(65534), None).unwrap();
    }
    let user = rustix::process::Uid::from_raw(65534);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Of this thread alone, on Linux.
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            work();
        });
        thread.join().unwrap();
    });
}

#[test]
fn a_cache_that_cannot_be_written_still_finds() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let damaged = place.artifact_file(&insert(&cache, "damaged", 300));
    fs_err::write(damaged, b"short").unwrap();
    let folders = [
        place.root(),
        place.folder(""),
        place.folder("index"),
        place.folder("artifacts"),
    ];
    folders.iter().for_each(|folder| set_mode(folder, 0o500));
    as_an_ordinary_user(&place, || {
        assert!(is_hit(&cache, "a"));
        let error = cache.insert(&key("b"), &meta("b"), b"b").unwrap_err();
        assert!(matches!(error, Error::Io { action: "create", .. }), "{error:?}");
        let Lookup::Damaged(damage) = cache.lookup(&key("damaged")).unwrap() else {
            panic!("expected damage")
        };
        assert!(
            damage.removal.is_err(),
            "it cannot be removed, and it is not handed out"
        );
        assert!(cache.clean(Which::All).is_err());
        assert!(
            Cache::open(place.root().join("inside"), 10)
                .unwrap()
                .insert(&key("b"), &meta("b"), b"b")
                .is_err()
        );
        assert_eq!(cache.list().unwrap().damaged, 1);
    });
    folders.iter().for_each(|folder| set_mode(folder, 0o700));
}
