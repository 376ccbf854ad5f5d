//! Greets.

wit_bindgen::generate!({ path: "../wit", world: "greeter" });

struct Greeter;
export!(Greeter);

impl exports::example::greeting::greet::Guest for Greeter {
    fn greet(name: String) -> String {
        format!("hello, {name}!")
    }
}
