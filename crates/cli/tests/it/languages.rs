//! Guests of other languages, made by their real tool chains.
//!
//! Skipped, loudly, where `cargo xtask guests --all` has not built them.

use std::time::Duration;

use weft_testing::{Scratch, guest_if_available};

use crate::{dir, weft};

fn hello(name: &str) {
    match guest_if_available(name) {
        Ok(file) => {
            let outcome = weft()
                .arg("run")
                .arg(file)
                .timeout(Duration::from_secs(300))
                .run()
                .with_code(0);
            assert!(
                outcome.stdout().to_lowercase().contains("hello"),
                "{name}: {}",
                outcome.stdout()
            );
        }
        Err(skip) => weft_testing::guests::announce(&format!("SKIPPED {name}: {skip}")),
    }
}

#[test]
fn c_prints() {
    hello("hello.c");
    hello("hello.c.p2");
}

#[test]
fn go_prints() {
    hello("hello.go");
    hello("hello.go.p2");
}

#[test]
fn assemblyscript_prints() {
    hello("hello.assemblyscript");
}

#[test]
fn javascript_prints() {
    hello("hello.javascript");
}

#[test]
fn python_prints() {
    hello("hello.python");
}

#[test]
fn c_reads_and_writes_files_where_it_may() {
    for name in ["files.c", "files.c.p2"] {
        let Ok(file) = guest_if_available(name) else {
            continue;
        };
        let scratch = Scratch::new();
        let outcome = weft().arg("run").arg(&file).args(["/data/text", "kept"]).run();
        assert_ne!(outcome.code, Some(0), "{name} without a directory");
        let outcome = weft()
            .args(["run", "--dir", &dir(scratch.path(), "::/data:rw")])
            .arg(&file)
            .args(["/data/text", "kept"])
            .run();
        assert_eq!(
            outcome.code,
            Some(0),
            "{name}: {} {}",
            outcome.stdout(),
            outcome.stderr()
        );
        assert_eq!(scratch.read("text"), "kept", "{name}");
    }
}
