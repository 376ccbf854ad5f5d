//! The folder of an app: its lock file, its sources, its build commands, and several processes in it at once.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{COUNT, ENVIRONMENT, GO, IDLE, attack, component, environment, quiet};

/// A manifest whose attacker is built by a command that leaves a trace.
fn built(app: &super::Attack) {
    let manifest = app.app.read("weft.toml").replace(
        "source = \"evil.wat\"",
        "source = { folder = \".\", build = \"touch ran && cp evil.wat built.wat\", file = \"built.wat\" }",
    );
    app.app.file("weft.toml", manifest);
}

#[test]
fn running_a_build_command_where_somebody_only_looks() {
    let attack = attack(&[IDLE, GO], "");
    built(&attack);
    let ran = attack.app.path().join("ran");
    for command in ["check", "graph"] {
        let said = quiet(attack.weft(command).run()).with_code(2).stderr();
        for part in [
            "component `evil` is not built",
            "`touch ran && cp evil.wat built.wat`",
            "`--build`",
            "weft.toml:6:",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!ran.exists(), "{command}");
    }
    quiet(attack.weft("check").arg("--build").run()).with_code(0);
    assert!(ran.exists());
    // Whoever runs an app runs its build commands too, and is told.
    let said = attack.up().with_code(0).stderr();
    assert!(said.contains("building component `evil`: touch ran"), "{said}");
}

#[test]
fn a_lock_file_that_is_damaged_or_no_file() {
    let attack = attack(&[IDLE, GO], "");
    let lock = attack.app.path().join("weft.lock");
    for text in [
        "",
        "version = 1\n[[component]]\n",
        "version = 9\n",
        "\u{1b}[2J",
        "not a lock file",
    ] {
        attack.app.file("weft.lock", text);
        for command in ["check", "up", "update"] {
            let outcome = quiet(attack.weft(command).run());
            assert!(matches!(outcome.code, Some(1 | 2)), "{text:?}: {outcome}");
            assert!(outcome.stderr().contains("weft.lock"), "{text:?}: {outcome}");
        }
        assert_eq!(attack.app.read("weft.lock"), text);
    }
    fs_err::remove_file(&lock).unwrap();
    symlink("/dev/zero", &lock).unwrap();
    let said = quiet(attack.weft("up").run()).with_code(1).stderr();
    assert!(said.contains("not a regular file"), "{said}");
}

#[test]
fn writing_through_a_lock_file_that_is_a_link() {
    let attack = attack(&[IDLE, GO], "");
    attack.app.file("precious", "");
    attack.finds_nothing();
    let text = attack.app.read("weft.lock");
    let lock = attack.app.path().join("weft.lock");
    fs_err::rename(&lock, attack.app.path().join("precious")).unwrap();
    symlink(attack.app.path().join("precious"), &lock).unwrap();
    attack
        .app
        .file("evil.wat", component(&["(core module)", IDLE, GO]));
    attack.finds_nothing();
    // The link was replaced, and what it led to is as it was.
    assert_eq!(attack.app.read("precious"), text);
    assert_ne!(attack.app.read("weft.lock"), text);
}

#[test]
fn sources_that_never_end() {
    let attack = attack(&[IDLE, GO], "");
    let evil = attack.app.path().join("evil.wat");
    fs_err::remove_file(&evil).unwrap();
    symlink("/dev/zero", &evil).unwrap();
    attack.is_refused_at_source();
    fs_err::remove_file(&evil).unwrap();
    let made = Command::new("mkfifo").arg(&evil).status().unwrap();
    assert!(made.success());
    attack.is_refused_at_source();
}

impl super::Attack {
    #[track_caller]
    fn is_refused_at_source(&self) {
        let outcome = self.weft("check").timeout(Duration::from_secs(20)).run();
        let said = quiet(outcome).with_code(2).stderr();
        assert!(
            said.contains("not a regular file") && said.contains("weft.toml:6:"),
            "{said}"
        );
    }
}

#[test]
fn swapping_what_a_linked_source_leads_to() {
    // A source may be a link and may lie elsewhere, since the manifest says what is read; the lock file is about
    // what is found there.
    let attack = attack(&[IDLE, GO], "grants = { env = { OWN = \"x\" } }\n");
    let evil = attack.app.path().join("evil.wat");
    let elsewhere = weft_testing::Scratch::new();
    elsewhere.file("harmless.wat", component(&[IDLE, GO]));
    elsewhere.file("wider.wat", component(&[&environment(ENVIRONMENT), COUNT, GO]));
    fs_err::remove_file(&evil).unwrap();
    symlink(elsewhere.path().join("harmless.wat"), &evil).unwrap();
    attack.finds_nothing();
    fs_err::remove_file(&evil).unwrap();
    symlink(elsewhere.path().join("wider.wat"), &evil).unwrap();
    attack.is_refused_at_its_line(&["now also imports", ENVIRONMENT]);
}

#[test]
fn swapping_a_file_between_its_check_and_its_use() {
    let attack = attack(&[IDLE, GO], "grants = { env = { OWN = \"x\" } }\n");
    attack.finds_nothing();
    let lock = attack.app.read("weft.lock");
    let (harmless, wider) = (
        component(&[IDLE, GO]),
        component(&[&environment(ENVIRONMENT), COUNT, GO]),
    );
    attack.app.file("harmless", harmless);
    attack.app.file("wider", wider);
    let done = AtomicBool::new(false);
    let path = |name: &str| attack.app.path().join(name);
    let mut refused = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for name in ["wider", "harmless"] {
                    fs_err::copy(path(name), path("next")).unwrap();
                    fs_err::rename(path("next"), path("evil.wat")).unwrap();
                    thread::sleep(Duration::from_millis(2));
                }
            }
        });
        for _ in 0..16 {
            let outcome = quiet(attack.weft("up").run());
            // Each time it is the one or the other, looked at and run: never looked at as one and run as the other.
            assert!(matches!(outcome.code, Some(0 | 2)), "{outcome}");
            refused += usize::from(outcome.code == Some(2));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(attack.app.read("weft.lock"), lock, "{refused} of 16 were refused");
}

#[test]
fn two_locks_at_once() {
    // Many processes find the same change at the same time, while one keeps making new ones.
    let attack = attack(&[IDLE, GO], "");
    for round in 0..4 {
        let module = format!("(core module $round{round} (memory 1))");
        attack.app.file("next", component(&[&module, IDLE, GO]));
        let path = |name: &str| attack.app.path().join(name);
        fs_err::rename(path("next"), path("evil.wat")).unwrap();
        let started: Vec<_> = (0..8)
            .map(|index| attack.weft(if index % 2 == 0 { "up" } else { "update" }).start())
            .collect();
        for running in started {
            quiet(running.finish()).with_code(0);
        }
        let said = quiet(attack.weft("update").arg("--dry-run").run())
            .with_code(0)
            .stdout();
        assert!(said.contains("`weft.lock` is up to date"), "{said}");
    }
    let left: Vec<_> = fs_err::read_dir(attack.app.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".weft-"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "temporary files are left");
}

#[test]
fn accepting_by_running_at_the_moment_in_which_somebody_else_decides() {
    // `weft up` that found a harmless change must not write over what `weft update` accepted meanwhile, nor the
    // other way round: whatever is in the file was compared with the file before it.
    let attack = attack(&[IDLE, GO], "grants = { env = { OWN = \"x\" } }\n");
    attack.finds_nothing();
    let wider = component(&[&environment(ENVIRONMENT), IDLE, GO]);
    attack.app.file("evil.wat", wider);
    let running: Vec<_> = (0..6)
        .map(|index| {
            (
                index,
                attack.weft(if index == 3 { "update" } else { "up" }).start(),
            )
        })
        .collect();
    for (index, running) in running {
        let outcome = quiet(running.finish());
        let expected: &[i32] = if index == 3 { &[0] } else { &[0, 2] };
        assert!(
            outcome.code.is_some_and(|code| expected.contains(&code)),
            "{outcome}"
        );
    }
    let lock = attack.app.read("weft.lock");
    assert!(lock.contains(ENVIRONMENT), "{lock}");
    attack.finds_nothing();
}

#[test]
fn writing_to_the_manifest_of_ones_own_app() {
    // The manifest grants it, so it is not refused; but nobody grants that unaware.
    for (folder, access, is_told) in [
        (".", ":rw", true),
        ("..", ":rw", true),
        (".", "", false),
        ("out", ":rw", false),
    ] {
        let rest = format!("grants = {{ dir = [\"{folder}::/app{access}\"] }}\n");
        let attack = attack(&[IDLE, GO], &rest);
        attack.app.folder("out");
        let said = quiet(attack.weft("check").run()).with_code(0).stderr();
        let told = said.contains("component `evil` may write to") && said.contains("its manifest lies there");
        assert_eq!(told, is_told, "{folder}{access}: {said}");
        assert!(!is_told || said.contains("weft.toml:7:"), "{said}");
    }
}
