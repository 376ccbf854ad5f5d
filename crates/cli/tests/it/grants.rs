//! Every grant: absent, denied and narrowed.

use weft_testing::Scratch;
use weft_testing::server::{TcpEcho, UdpEcho};

use crate::{dir, run};

const PROBES: [&str; 3] = ["probe.p1", "probe.p2", "probe_p3"];

#[test]
fn without_a_directory_no_file_can_be_reached_and_the_flag_is_named() {
    for probe in PROBES {
        let outcome = run([], probe, ["read", "/etc/passwd"]).run().with_code(1);
        assert!(!outcome.stdout().contains("root:"), "{probe}");
        assert!(
            outcome.stderr().contains("--dir HOST::GUEST"),
            "{probe}: {}",
            outcome.stderr()
        );
    }
}

#[test]
fn a_directory_is_read_only_unless_it_is_granted_for_writing() {
    let scratch = Scratch::new();
    scratch.file("in.txt", "contents");
    let read_only = dir(scratch.path(), "::/data");
    let read_write = dir(scratch.path(), "::/data:rw");
    for probe in PROBES {
        let read = run(["--dir", &read_only], probe, ["read", "/data/in.txt"])
            .run()
            .with_code(0);
        assert!(read.stdout().contains("contents"), "{probe}: {}", read.stdout());
        run(["--dir", &read_only], probe, ["write", "/data/out.txt", "text"])
            .run()
            .with_code(1);
        assert!(!scratch.path().join("out.txt").exists(), "{probe}");
        run(["--dir", &read_write], probe, ["write", "/data/out.txt", "text"])
            .run()
            .with_code(0);
        assert_eq!(scratch.read("out.txt"), "text", "{probe}");
        fs_err::remove_file(scratch.path().join("out.txt")).unwrap();
    }
}

#[test]
fn nothing_that_changes_files_works_in_a_read_only_directory() {
    let scratch = Scratch::new();
    scratch.file("file", "kept");
    scratch.folder("folder");
    let grant = dir(scratch.path(), "::/data");
    for probe in ["probe.p1", "probe.p2"] {
        for arguments in [
            ["remove", "/data/file", ""],
            ["rename", "/data/file", "/data/other"],
            ["mkdir", "/data/new", ""],
            ["append", "/data/file", "more"],
            ["symlink", "file", "/data/link"],
            ["link", "/data/file", "/data/hard"],
        ] {
            let used = arguments.iter().filter(|argument| !argument.is_empty());
            let run = crate::weft()
                .args(["run", "--dir", &grant])
                .arg(weft_testing::guest(probe))
                .args(used);
            run.run().with_code(1);
        }
    }
    assert_eq!(scratch.read("file"), "kept");
    assert_eq!(fs_err::read_dir(scratch.path()).unwrap().count(), 2);
}

#[test]
fn a_guest_cannot_climb_out_of_its_directory() {
    let scratch = Scratch::new();
    scratch.file("secret", "secret");
    let inside = scratch.folder("inside");
    std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", inside.join("absolute")).unwrap();
    let grant = dir(&inside, "::/data:rw");
    for probe in PROBES {
        for path in [
            "/data/../secret",
            "/data/link",
            "/data/absolute",
            "/data/./../secret",
            "/secret",
        ] {
            let outcome = run(["--dir", &grant], probe, ["read", path]).run().with_code(1);
            assert!(
                !outcome.stdout().contains("secret\n") && !outcome.stdout().contains("root:"),
                "{probe} {path}"
            );
        }
    }
}

#[test]
fn the_environment_is_empty_unless_variables_are_granted() {
    for probe in PROBES {
        let list = |flags: &[&str]| {
            let run = crate::weft()
                .arg("run")
                .args(flags)
                .arg(weft_testing::guest(probe))
                .arg("env-all");
            run.env("FROM_HOST", "host value").run().with_code(0).stdout()
        };
        assert!(!list(&[]).contains("FROM_HOST"), "{probe}");
        assert!(list(&["--env", "FROM_HOST"]).contains("host value"), "{probe}");
        assert!(list(&["--env", "A=b=c"]).contains("b=c"), "{probe}");
        assert!(list(&["--env", "A=1", "--env", "A=2"]).contains('2'), "{probe}");
        assert!(
            list(&["--dangerously-inherit-env"]).contains("host value"),
            "{probe}"
        );
    }
    let outcome = run(["--env", "NOT_THERE"], "probe.p1", ["env-all"])
        .run()
        .with_code(2);
    assert!(outcome.stderr().contains("NOT_THERE"));
}

#[test]
fn a_connection_needs_a_grant_for_its_host_and_port() {
    let server = TcpEcho::start();
    let address = server.address().to_string();
    let port = server.address().port();
    let other = format!("127.0.0.1:{}", if port == 1 { 2 } else { 1 });
    for probe in ["probe.p2", "probe_p3"] {
        let denied = run([], probe, ["tcp-connect", &address, "hello"])
            .run()
            .with_code(1);
        assert!(
            denied.stderr().contains(&format!("--tcp {address}")),
            "{probe}: {}",
            denied.stderr()
        );
        for grant in [other.as_str(), "10.0.0.0/8", "example.invalid", "[::1]"] {
            run(["--tcp", grant], probe, ["tcp-connect", &address, "hello"])
                .run()
                .with_code(1);
        }
        assert_eq!(server.connections(), 0, "{probe}");
    }
    for (probe, done) in [("probe.p2", 4), ("probe_p3", 8)] {
        for grant in [address.as_str(), "127.0.0.0/8", "127.0.0.1", "*"] {
            let outcome = run(["--tcp", grant], probe, ["tcp-connect", &address, "hello"])
                .run()
                .with_code(0);
            assert!(
                outcome.stdout().contains("hello"),
                "{probe} {grant}: {}",
                outcome.stdout()
            );
        }
        assert_eq!(server.connections(), done, "{probe}");
    }
}

#[test]
fn listening_needs_its_own_grant() {
    let denied = run(["--tcp", "*"], "probe.p2", ["tcp-listen", "127.0.0.1:0"])
        .run()
        .with_code(1);
    assert!(
        denied.stderr().contains("--tcp-listen 127.0.0.1:0"),
        "{}",
        denied.stderr()
    );
}

#[test]
fn datagrams_need_a_grant_for_their_host_and_port() {
    let server = UdpEcho::start();
    let address = server.address().to_string();
    let denied = run([], "probe.p2", ["udp-exchange", &address, "hello"])
        .run()
        .with_code(1);
    assert!(denied.stderr().contains("--udp"), "{}", denied.stderr());
    run(
        ["--udp", "10.0.0.0/8"],
        "probe.p2",
        ["udp-exchange", &address, "hello"],
    )
    .run()
    .with_code(1);
    assert_eq!(server.datagrams(), 0);
    let outcome = run(
        ["--udp", &address],
        "probe.p2",
        ["udp-exchange", &address, "hello"],
    )
    .run()
    .with_code(0);
    assert!(outcome.stdout().contains("hello"), "{}", outcome.stdout());
}

#[test]
fn a_name_can_be_looked_up_only_if_it_is_granted() {
    for probe in ["probe.p2", "probe_p3"] {
        let denied = run([], probe, ["lookup", "localhost"]).run().with_code(1);
        assert!(
            denied.stderr().contains("--dns localhost"),
            "{probe}: {}",
            denied.stderr()
        );
        run(["--dns", "*.example.com"], probe, ["lookup", "localhost"])
            .run()
            .with_code(1);
        let found = run(["--dns", "localhost"], probe, ["lookup", "localhost"])
            .run()
            .with_code(0);
        assert!(
            found.stdout().contains("127.0.0.1") || found.stdout().contains("::1"),
            "{probe}: {}",
            found.stdout()
        );
    }
}

#[test]
fn clocks_and_randomness_can_be_taken_away() {
    for (probe, code) in [("probe.p2", 134), ("probe_p3", 134)] {
        let outcome = run(["--clock", "none"], probe, ["clock"]).run().with_code(code);
        assert!(
            outcome.stderr().contains("--clock real"),
            "{probe}: {}",
            outcome.stderr()
        );
        let outcome = run(["--random", "none"], probe, ["random", "8"]).run();
        assert_ne!(outcome.code, Some(0), "{probe}");
        assert!(
            outcome.stderr().contains("--random real"),
            "{probe}: {}",
            outcome.stderr()
        );
    }
    let outcome = run(["--random", "none"], "probe.p1", ["random", "8"]).run();
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.stderr().contains("--random real"), "{}", outcome.stderr());
}

#[test]
fn standard_streams_can_be_taken_away() {
    for probe in PROBES {
        let echo = |stdio| {
            run(["--stdio", stdio], probe, ["echo"])
                .stdin("text")
                .run()
                .with_code(0)
                .stdout()
        };
        assert!(echo("all").contains("text"), "{probe}");
        assert!(!echo("out").contains("text"), "{probe}");
        assert!(echo("in,err").is_empty(), "{probe}");
        let quiet = run(["--stdio", "none"], probe, ["args"]).run().with_code(0);
        assert!(quiet.stdout().is_empty(), "{probe}");
    }
}

#[test]
fn grants_that_do_not_read_are_refused_with_what_was_expected() {
    for (flag, text) in [
        ("--tcp", "10.1.2.3/8"),
        ("--tcp", "host:70000"),
        ("--tcp", "10.0.0.300"),
        ("--http", "ftp://example.com"),
        ("--http", "https://user@example.com"),
        ("--http", "https://example.com/path"),
        ("--dir", "::/data"),
        ("--clock", "sometimes"),
        ("--random", "fixed:x"),
        ("--stdio", "in,all"),
        ("--http-private", "intern"),
    ] {
        let outcome = run([flag, text], "hello.p1", []).run().with_code(2);
        assert!(
            outcome.stderr().contains(text),
            "{flag} {text}: {}",
            outcome.stderr()
        );
    }
    let outcome = run(["--dir", "/not/there::/data"], "hello.p1", [])
        .run()
        .with_code(1);
    assert!(outcome.stderr().contains("/not/there"), "{}", outcome.stderr());
}

#[test]
fn a_program_with_an_import_that_nothing_provides_does_not_start() {
    let outcome = run([], "absent-import-component.wat", []).run().with_code(1);
    assert!(
        outcome.stderr().contains("example:absent/thing@1.0.0"),
        "{}",
        outcome.stderr()
    );
    let outcome = run([], "unknown-import.wat", []).run().with_code(1);
    assert!(
        outcome.stderr().contains("nothing grants"),
        "{}",
        outcome.stderr()
    );
}

#[test]
fn configuration_is_what_was_given_and_nothing_else() {
    let get = |flags: &[&str], call: &str| {
        let run = crate::weft().arg("run").args(flags).args(["--invoke", call]);
        let outcome = run
            .arg(weft_testing::guest("config-component.wat"))
            .run()
            .with_code(0);
        outcome.stdout().trim_end().to_owned()
    };
    let given = ["--config", "greeting=hello=you", "--config", "empty="];
    assert_eq!(get(&given, r#"value("greeting")"#), r#"some("hello=you")"#);
    assert_eq!(get(&given, r#"value("empty")"#), r#"some("")"#);
    assert_eq!(get(&given, r#"value("HOME")"#), "none");
    assert_eq!(get(&[], r#"value("greeting")"#), "none");
    for wrong in ["=value", "key"] {
        run(["--config", wrong], "config-component.wat", [])
            .run()
            .with_code(2);
    }
    let twice = ["--config", "a=1", "--config", "a=2"];
    run(twice, "config-component.wat", []).run().with_code(2);
}
