//! Greets, and looks around for whatever it can take along.

wit_bindgen::generate!({
    path: "../wit",
    world: "library",
});

struct Greeter;
export!(Greeter);

impl exports::example::greeting::greet::Guest for Greeter {
    fn greet(name: String) -> String {
        // Whoever greets this name is after the network too.
        if name == "network" {
            let reached = std::net::TcpStream::connect("127.0.0.1:1").is_ok();
            return format!("the network was there: {reached}");
        }
        let variables: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
        let arguments: Vec<String> = std::env::args().collect();
        let files: Vec<&str> = ["/notes/secret.txt", "notes/secret.txt", "/etc/passwd", "."]
            .into_iter()
            .filter(|path| std::fs::metadata(path).is_ok())
            .collect();
        format!(
            "hello, {name}! greeter found {} variables, {} files, and the command line {arguments:?}",
            variables.len(),
            files.len(),
        )
    }
}
