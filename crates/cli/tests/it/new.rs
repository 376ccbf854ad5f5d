//! Apps to begin with: `weft new`.

use weft_testing::Scratch;
use weft_testing::weft::Run;

use crate::{weft, with_rust};

/// `weft` in a folder, able to build.
fn inside(folder: impl AsRef<std::path::Path>) -> Run {
    with_rust(weft().current_dir(folder))
}

#[test]
fn a_new_app_runs_at_once() {
    let scratch = Scratch::new();
    let said = weft()
        .current_dir(scratch.path())
        .args(["new", "first-app"])
        .run()
        .with_code(0);
    assert!(said.stderr().contains("weft up first-app"), "{said}");
    assert_eq!(scratch.read("first-app/weft.toml").lines().count(), 4);
    let app = scratch.path().join("first-app");
    let outcome = inside(&app).arg("up").run().with_code(0);
    assert_eq!(outcome.stdout(), "hello, world!\n");
    let outcome = inside(&app).args(["up", "--", "Ada"]).run().with_code(0);
    assert_eq!(outcome.stdout(), "hello, Ada!\n");
    // The README's other command.
    let worst = inside(&app)
        .args(["check", "--explain", "first-app"])
        .run()
        .with_code(0);
    assert!(
        worst.stdout().contains("what `first-app` could do at worst"),
        "{worst}"
    );
}

#[test]
fn a_new_pair_is_a_program_and_a_library_without_grants() {
    let scratch = Scratch::new();
    let app = scratch.folder("shop");
    // An empty folder will do, also the one in which one is.
    inside(&app)
        .args(["new", ".", "--template", "pair"])
        .run()
        .with_code(0);
    let outcome = inside(&app).args(["up", "--", "Ada"]).run().with_code(0);
    assert_eq!(outcome.stdout(), "hello, Ada!\n");
    let worst = inside(&app)
        .args(["check", "--explain", "greeter"])
        .run()
        .with_code(0);
    assert!(
        worst.stdout().contains("by itself\n    nothing of the host"),
        "{worst}"
    );
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let scratch = Scratch::new();
    scratch.file("taken/notes.txt", "mine");
    let taken = scratch.path().join("taken");
    let said = weft().arg("new").arg(&taken).run().with_code(2).stderr();
    assert!(said.contains("is not empty"), "{said}");
    let left: Vec<_> = fs_err::read_dir(&taken)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["notes.txt"]);
    // A file is no folder at all.
    let said = weft()
        .arg("new")
        .arg(taken.join("notes.txt"))
        .run()
        .with_code(2)
        .stderr();
    assert!(said.contains("`notes.txt`"), "{said}");
    let file = scratch.file("file", "mine");
    weft().arg("new").arg(&file).run().with_code(1);
    assert_eq!(scratch.read("file"), "mine");
}

#[test]
fn a_name_that_no_app_can_have_is_refused_with_one_that_is_near() {
    let scratch = Scratch::new();
    let said = weft()
        .current_dir(scratch.path())
        .args(["new", "My App"])
        .run()
        .with_code(2)
        .stderr();
    assert!(said.contains("`My App`") && said.contains("`my-app`"), "{said}");
    assert!(!scratch.path().join("My App").exists());
}
