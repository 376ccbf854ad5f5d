//! Any bytes at all end in a message and an exit code.

use std::time::{Duration, Instant};

use weft_testing::{Scratch, guest};

use crate::weft;

const COMMANDS: [&str; 6] = ["run", "compile", "inspect", "wit", "print", "validate"];

fn refused(bytes: &[u8], what: &str) {
    let scratch = Scratch::new();
    let file = scratch.file("input", bytes);
    for command in COMMANDS {
        let mut run = weft().arg(command).arg(&file);
        if command == "compile" {
            run = run.arg("-o").arg(scratch.path().join("out"));
        }
        let started = Instant::now();
        let outcome = run.timeout(Duration::from_secs(60)).run();
        assert_eq!(outcome.signal, None, "{command} {what}");
        assert!(
            !outcome.stderr().contains("panicked"),
            "{command} {what}: {}",
            outcome.stderr()
        );
        assert_eq!(outcome.code, Some(1), "{command} {what}: {}", outcome.stderr());
        assert!(
            outcome.stderr().starts_with("error: "),
            "{command} {what}: {}",
            outcome.stderr()
        );
        assert!(started.elapsed() < Duration::from_secs(30), "{command} {what}");
    }
}

#[test]
fn files_that_are_no_programs_are_named_for_what_they_are() {
    refused(b"", "empty");
    refused(b"\0", "one byte");
    refused(b"\0asm", "cut header");
    refused(b"\0asm\x02\0\0\0", "unknown version");
    refused(b"\x7fELF\x02\x01\x01\0 and nothing else", "an ELF head");
    refused(b"#!/bin/sh\necho hello\n", "a script");
    refused(b"\x1f\x8b\x08\0\0\0\0\0", "gzip");
    refused(b"PK\x03\x04", "zip");
    refused("(module".as_bytes(), "unfinished text");
    refused("(((((((((((((((((((((((".repeat(20_000).as_bytes(), "deep text");
    refused(&[0xff; 10_000], "noise");
}

#[test]
fn a_program_cut_or_changed_anywhere_never_crashes() {
    let scratch = Scratch::new();
    let bytes = fs_err::read(guest("hello.p2")).unwrap();
    let mut state: u64 = 7;
    for round in 0..24 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % bytes.len();
        let mut changed = bytes.clone();
        if round % 2 == 0 {
            changed.truncate(at);
        } else {
            changed[at] ^= 1 << (state % 8);
        }
        let file = scratch.file("input", &changed);
        for command in ["run", "inspect", "validate"] {
            let run = weft()
                .arg(command)
                .arg(&file)
                .env("WEFT_CACHE_DIR", scratch.path().join("cache"));
            let outcome = run.timeout(Duration::from_secs(60)).run();
            assert_eq!(outcome.signal, None, "{command}, byte {at}");
            assert!(
                !outcome.stderr().contains("panicked"),
                "{command}, byte {at}: {}",
                outcome.stderr()
            );
        }
    }
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let scratch = Scratch::new();
    let path = scratch.path().join("huge");
    let file = fs_err::File::create(&path).unwrap();
    file.set_len(8 << 30).unwrap(); // sparse
    weft().arg("run").arg(&path).run().with_code(1);
    fs_err::write(&path, b"\0asm\x01\0\0\0").unwrap();
    fs_err::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(8 << 30)
        .unwrap();
    let outcome = weft().arg("run").arg(&path).run().with_code(1);
    assert!(outcome.stderr().contains("larger than"), "{}", outcome.stderr());
}

#[test]
fn folders_and_missing_files_are_told_apart() {
    let scratch = Scratch::new();
    let outcome = weft().arg("run").arg(scratch.path()).run().with_code(2);
    assert!(outcome.stderr().contains("weft.toml"), "{}", outcome.stderr());
    let outcome = weft().arg("inspect").arg(scratch.path()).run().with_code(1);
    assert!(outcome.stderr().contains("folder"), "{}", outcome.stderr());
    let outcome = weft()
        .arg("run")
        .arg(scratch.path().join("missing"))
        .run()
        .with_code(1);
    assert!(outcome.stderr().contains("missing"), "{}", outcome.stderr());
}
