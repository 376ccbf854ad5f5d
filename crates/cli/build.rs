//! Links the program at a fixed address, which a third of its start-up time would otherwise go into undoing.
//!
//! The engine brings about a megabyte of tables full of pointers. In a position-independent program the loader
//! rewrites every page of them at every start: 0.8 ms of 3.3 ms for a small guest, measured. What is given up is
//! the random placement of the program's own code and tables; its heap, its stacks, its libraries and the machine
//! code of guests are still placed at random. `WEFT_LINK_PIE=1` at build time chooses the other way.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WEFT_LINK_PIE");
    let wants_pie = std::env::var_os("WEFT_LINK_PIE").is_some_and(|value| value == "1");
    let is_linux = std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|system| system == "linux");
    if is_linux && !wants_pie {
        println!("cargo::rustc-link-arg-bin=weft=-no-pie");
    }
}
