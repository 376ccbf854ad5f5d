//! Precompiled artifacts and the cache.

use std::path::PathBuf;
use std::sync::Arc;

use weft_testing::{Scratch, guest};

use crate::weft;

fn compiled(home: &Arc<Scratch>, name: &str, flags: &[&str]) -> PathBuf {
    let file = home.path().join(format!("{name}.cwasm"));
    weft()
        .home(home)
        .arg("compile")
        .args(flags)
        .arg(guest(name))
        .arg("-o")
        .arg(&file)
        .run()
        .with_code(0);
    file
}

fn home() -> Arc<Scratch> {
    Arc::new(Scratch::new())
}

#[test]
fn an_artifact_runs_where_it_was_made() {
    let home = home();
    for name in ["hello.p1", "hello.p2", "probe_p3", "arithmetic.wat"] {
        let file = compiled(&home, name, &[]);
        let flags: &[&str] = if name == "arithmetic.wat" {
            &["--invoke", "add(1, 2)"]
        } else {
            &[]
        };
        weft()
            .home(&home)
            .arg("run")
            .args(flags)
            .arg(file)
            .arg("args")
            .run()
            .with_code(0);
    }
}

#[test]
fn an_artifact_from_elsewhere_runs_only_if_the_user_vouches_for_it() {
    let maker = home();
    let file = compiled(&maker, "hello.p2", &[]);
    let elsewhere = home();
    let refused = weft().home(&elsewhere).arg("run").arg(&file).run().with_code(1);
    assert!(
        refused.stderr().contains("--dangerously-trust-artifact"),
        "{}",
        refused.stderr()
    );
    compiled(&elsewhere, "hello.p1", &[]); // now there is a key, another one
    weft().home(&elsewhere).arg("run").arg(&file).run().with_code(1);
    weft()
        .home(&elsewhere)
        .args(["run", "--dangerously-trust-artifact"])
        .arg(&file)
        .run()
        .with_code(0);
}

#[test]
fn a_changed_artifact_is_never_run() {
    let home = home();
    let file = compiled(&home, "hello.p2", &[]);
    let whole = fs_err::read(&file).unwrap();
    for at in [
        0x10,
        0x100,
        whole.len() / 2,
        whole.len() - 1,
        whole.len() - 20,
        whole.len() - 60,
        whole.len() - 120,
    ] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs_err::write(&file, &changed).unwrap();
        for flags in [&["run"][..], &["run", "--dangerously-trust-artifact"]] {
            let outcome = weft().home(&home).args(flags).arg(&file).run();
            // The seal made with the key is not looked at where the user vouches; all else is.
            let only_seal = flags.len() == 2 && (whole.len() - 48..whole.len() - 16).contains(&at);
            assert!(outcome.code == Some(1) || only_seal, "byte {at}: {outcome:?}");
        }
    }
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs_err::write(&file, &whole[..length]).unwrap();
        weft().home(&home).arg("run").arg(&file).run().with_code(1);
    }
}

#[test]
fn an_artifact_runs_only_with_the_flags_it_was_made_for() {
    let home = home();
    let metered = compiled(&home, "hello.p1", &["--metered"]);
    weft()
        .home(&home)
        .args(["run", "--fuel", "100000000"])
        .arg(&metered)
        .run()
        .with_code(0);
    let outcome = weft().home(&home).arg("run").arg(&metered).run().with_code(1);
    assert!(outcome.stderr().contains("metered"), "{}", outcome.stderr());
}

#[test]
fn a_second_run_comes_from_the_cache() {
    let home = home();
    for name in ["hello.p1", "hello.p2", "probe_p3"] {
        let run = || {
            weft()
                .home(&home)
                .args(["--verbose", "run"])
                .arg(guest(name))
                .arg("args")
                .run()
                .with_code(0)
        };
        assert!(run().stderr().contains("compiled"), "{name}");
        assert!(!run().stderr().contains("compiled"), "{name}");
    }
    let list = weft()
        .home(&home)
        .args(["cache", "list", "--format", "json"])
        .run()
        .with_code(0);
    let list: serde_json::Value = serde_json::from_str(&list.stdout()).unwrap();
    assert_eq!(list["entries"].as_array().unwrap().len(), 3);
    assert!(
        weft()
            .home(&home)
            .args(["cache", "list"])
            .run()
            .with_code(0)
            .stdout()
            .contains("hello.p1.wasm")
    );
    weft().home(&home).args(["cache", "clean"]).run().with_code(0);
    let list = weft()
        .home(&home)
        .args(["cache", "list", "--format", "json"])
        .run()
        .with_code(0);
    let list: serde_json::Value = serde_json::from_str(&list.stdout()).unwrap();
    assert!(list["entries"].as_array().unwrap().is_empty());
}

#[test]
fn a_damaged_cache_entry_is_compiled_again() {
    let home = home();
    let run = || {
        weft()
            .home(&home)
            .args(["--verbose", "run"])
            .arg(guest("hello.p2"))
            .run()
            .with_code(0)
    };
    run();
    let path = weft()
        .home(&home)
        .args(["cache", "path"])
        .run()
        .with_code(0)
        .stdout();
    let folder = PathBuf::from(path.trim()).join("v1/artifacts");
    for entry in fs_err::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let mut bytes = fs_err::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        fs_err::write(&file, bytes).unwrap();
    }
    let again = run();
    assert!(
        again.stderr().contains("warning") && again.stderr().contains("compiled"),
        "{}",
        again.stderr()
    );
    assert!(!run().stderr().contains("compiled"));
}

#[test]
fn many_processes_share_a_cache() {
    let home = home();
    let start = || weft().home(&home).arg("run").arg(guest("hello.p2")).start();
    let running: Vec<_> = (0..8).map(|_| start()).collect();
    for run in running {
        run.finish().with_code(0);
    }
}

#[test]
fn without_a_home_a_program_still_runs() {
    let run = weft().arg("run").arg(guest("hello.p1"));
    let run = run
        .env("HOME", "")
        .env("XDG_CACHE_HOME", "")
        .env("XDG_DATA_HOME", "")
        .env("WEFT_CACHE_DIR", "");
    run.run().with_code(0);
}
