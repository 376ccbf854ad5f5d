//! Standard input through two stages to standard output, like `grep WORD | nl`.

wit_bindgen::generate!({
    path: "../wit",
    world: "program",
});

use example::pipeline::{grep::grep, number::number};
use wasip3::cli::{environment, stderr, stdin, stdout};
use wasip3::wit_bindgen::spawn_local;

struct Command;
wasip3::cli::command::export!(Command);

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let Some(word) = environment::get_arguments().into_iter().nth(1) else {
            return complain("usage: WORD\n").await;
        };
        let (text, ended) = stdin::read_via_stream();
        let kept = grep(word, text).await;
        let numbered = number(kept).await;
        if stdout::write_via_stream(numbered).await.is_err() {
            return complain("error: cannot write to standard output\n").await;
        }
        if ended.await.is_err() {
            return complain("error: cannot read standard input\n").await;
        }
        Ok(())
    }
}

async fn complain(text: &str) -> Result<(), ()> {
    let (mut writer, reader) = wasip3::wit_stream::new();
    let bytes = text.as_bytes().to_vec();
    // Where nobody reads standard error there is nobody to tell.
    spawn_local(async move { drop(writer.write_all(bytes).await) });
    let _ = stderr::write_via_stream(reader).await;
    Err(())
}
