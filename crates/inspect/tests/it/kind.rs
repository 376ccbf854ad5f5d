//! What a file is, told by its content.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use weft_inspect::kind::{Kind, Looks, recognise};

use crate::samples;

#[test]
fn binaries_and_text_are_told_apart_by_content() {
    assert_eq!(recognise(&samples::binary(samples::COMMAND)), Ok(Kind::Component));
    assert_eq!(recognise(&samples::binary(samples::BARE)), Ok(Kind::CoreModule));
    assert_eq!(recognise(samples::COMMAND.as_bytes()), Ok(Kind::Text));
    let artifact = b"\x7fELF\x02\x01\x01\xc8\0\0\0\0";
    assert_eq!(recognise(artifact), Ok(Kind::Artifact));
}

#[test]
fn text_may_begin_with_comments_and_without_a_container() {
    for text in [
        ";; a comment\n (module)",
        "(; one (; inside ;) another ;)(component)",
        "(@custom \"x\" \"y\")",
        "(func)",
        "( module )",
        "( (; where ;) module)",
        ";; nothing but a comment",
        "(; cut off in the middle of a comment",
        "(modu",
        "(",
    ] {
        assert_eq!(recognise(text.as_bytes()), Ok(Kind::Text), "{text}");
    }
}

#[test]
fn the_first_bytes_of_a_text_are_enough_even_inside_a_character() {
    let text = ";; caf\u{e9} (module)".as_bytes();
    for length in 1..text.len() {
        assert_eq!(
            recognise(text.get(..length).unwrap()).is_ok(),
            length > 1,
            "{length}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let cases: [(&[u8], &str); 16] = [
        (b"", "nothing: the file is empty"),
        (b" \r\n\t", "nothing: the file is empty"),
        (b"\0as", "cut off after 3 of 8"),
        (b"\0asm\x01\0", "cut off after 6 of 8"),
        (b"\0asm\x02\0\0\0", "core module of version 2"),
        (b"\0asm\x0a\0\x01\0", "component of version 10"),
        (b"\0asm\x01\0\x07\0", "unknown layer 7"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"\x7fELF\x02\x01\x01\0", "native ELF"),
        (b"MZ\x90", "Windows"),
        (b"#!/bin/sh\necho", "a script"),
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"{\"a\": 1}", "JSON"),
        (b"package a:b;\n", "the text of a WIT package"),
        (b"(defun f ())", "text that begins with `(defun`"),
    ];
    for (bytes, words) in cases {
        let message = recognise(bytes).unwrap_err().to_string();
        assert!(message.contains(words), "{message} should say {words}");
        assert!(message.contains("expected a WebAssembly component"), "{message}");
    }
}

#[test]
fn bytes_of_no_format_and_other_text_are_refused() {
    assert_eq!(recognise(b"\x01\x02\x00\x03").unwrap_err().found, Looks::Binary);
    assert_eq!(recognise(b"caf\xe9 (module)").unwrap_err().found, Looks::Binary);
    assert_eq!(recognise(b"hello there").unwrap_err().found, Looks::Text);
}
