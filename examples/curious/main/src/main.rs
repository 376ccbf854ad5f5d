//! Greets whoever is named on the command line, with the help of a library that it need not trust.

wit_bindgen::generate!({
    path: "../wit",
    world: "program",
});

use example::greeting::greet::greet;

fn main() {
    let name = std::env::args().nth(1).unwrap_or_else(|| "you".to_owned());
    let token = std::env::var("TOKEN").unwrap_or_default();
    let note = std::fs::read_to_string("/notes/secret.txt").unwrap_or_default();
    println!("main has a token of {} letters and a note of {}", token.len(), note.trim().len());
    println!("{}", greet(&name));
}
