//! Any bytes at all end in a value or an error, soon.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io;
use std::time::{Duration, Instant};

use weft_inspect::print::{Detail, Options, Shape};
use weft_inspect::{describe, json, kind, print, validate, wit};

use crate::samples;

/// Looks at some bytes in every way there is.
fn look(bytes: &[u8]) {
    let began = Instant::now();
    let recognised = kind::recognise(bytes);
    let described = describe(bytes);
    if let Ok(description) = &described {
        assert!(recognised.is_ok());
        assert!(!json::description(description).to_string().is_empty());
    }
    assert!(
        !json::validation(&validate::validate(bytes))
            .to_string()
            .is_empty()
    );
    let written = wit::world(bytes, wit::Selection::Everything);
    if recognised.is_err() {
        assert!(described.is_err() && written.is_err());
    }
    for shape in [Shape::Flat, Shape::Folded] {
        let options = Options {
            detail: Detail::Whole,
            shape,
        };
        let printed = print::text(bytes, options, &mut io::sink());
        assert!(recognised.is_ok() || printed.is_err());
    }
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "{} bytes took {took:?}",
        bytes.len()
    );
}

fn all_samples() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for text in [samples::COMMAND, samples::PREVIEW_ONE, samples::BARE] {
        all.push(samples::binary(text));
        all.push(text.as_bytes().to_vec());
    }
    all
}

#[test]
fn a_file_cut_off_anywhere() {
    for sample in all_samples() {
        for length in 0..sample.len() {
            look(sample.get(..length).unwrap());
        }
    }
}

#[test]
fn a_file_with_any_byte_changed() {
    for sample in all_samples() {
        for position in 0..sample.len() {
            for change in [0x01, 0x40, 0x80, 0xff] {
                let mut changed = sample.clone();
                *changed.get_mut(position).unwrap() ^= change;
                look(&changed);
            }
        }
    }
}

#[test]
fn sections_that_claim_more_than_the_file_holds() {
    for id in 0..=14u8 {
        for contents in [
            &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
            &[0x80, 0x80, 0x80, 0x80, 0x08][..],
        ] {
            let component = samples::component_with_section(id, contents);
            look(&component);
            let mut module = component;
            module.splice(4..8, [1, 0, 0, 0]);
            look(&module);
        }
    }
}

#[test]
fn long_files_of_one_byte() {
    for byte in [0u8, b'(', b' ', b';', 0x7f, 0xff] {
        look(&vec![byte; 1 << 20]);
        for header in [
            &b"\0asm\x01\0\0\0"[..],
            &b"\0asm\x0d\0\x01\0"[..],
            &b"(module "[..],
        ] {
            let mut file = header.to_vec();
            file.resize(1 << 20, byte);
            look(&file);
        }
    }
}
