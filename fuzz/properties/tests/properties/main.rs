//! A smoke run of every fuzz target: its corpus, and mutations of that which are the same in every run.
//!
//! `WEFT_FUZZ_ROUNDS` makes it longer, `WEFT_FUZZ_SEED` makes it another one; see `docs/fuzzing.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod corpus;
mod mutate;
mod run;

use run::{Target, run};

#[test]
fn any_file_is_looked_at_without_contradiction() {
    run(Target {
        name: "load",
        property: weft_fuzz_properties::load,
        words: mutate::BINARY,
        rounds: 15_000,
    });
}

#[test]
fn any_text_is_a_program_or_a_fault_with_a_place() {
    run(Target {
        name: "text",
        property: weft_fuzz_properties::text,
        words: mutate::TEXT,
        rounds: 15_000,
    });
}

#[test]
fn any_call_is_refused_or_shows_as_itself() {
    run(Target {
        name: "invoke",
        property: weft_fuzz_properties::invoke,
        words: mutate::CALL,
        rounds: 100_000,
    });
}

#[test]
fn any_grant_is_refused_or_means_what_it_says() {
    run(Target {
        name: "grant",
        property: weft_fuzz_properties::grant,
        words: mutate::GRANT,
        rounds: 200_000,
    });
}

#[test]
fn any_request_is_refused_or_read_in_one_way() {
    run(Target {
        name: "front",
        property: weft_fuzz_properties::front,
        words: mutate::FRONT,
        rounds: 100_000,
    });
}

#[test]
fn any_change_of_a_sealed_artifact_is_refused() {
    run(Target {
        name: "artifact",
        property: weft_fuzz_properties::artifact,
        words: mutate::BINARY,
        rounds: 30_000,
    });
}
