//! Prints what the library makes of a name.

wit_bindgen::generate!({ path: "../wit", world: "program" });

use example::greeting::greet::greet;

fn main() {
    let name = std::env::args().nth(1).unwrap_or_else(|| "world".to_owned());
    println!("{}", greet(&name));
}
