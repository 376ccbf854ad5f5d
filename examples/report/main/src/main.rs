//! Shows a file of comma-separated values as a table, or as a page of HTML.
//!
//! Reading the format is the business of `parser`, which need not be trusted: it is handed the text and answers with
//! cells, and whatever those contain is taken for text, never for markup or for commands of the terminal.

mod show;

wit_bindgen::generate!({
    path: "../wit",
    world: "program",
});

use std::io::Read;
use std::process::ExitCode;

use example::report::csv;

/// Bytes of a file at most; `parser` has the memory for that much, whatever is in it.
const TEXT_BYTES_MAX: u64 = 1 << 20;

const USAGE: &str =
    "usage: [--title TEXT] [--html] [FILE]; `-` is standard input, without FILE it is `/data/planets.csv`";

/// What the command line asks for.
struct Request {
    title: String,
    html: bool,
    file: String,
}

fn main() -> ExitCode {
    match report() {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> Result<String, String> {
    let request = read_command_line(std::env::args().skip(1))?;
    let text = read(&request.file)?;
    let rows = csv::parse(&text).map_err(|problem| {
        format!(
            "{}, line {}: {}",
            request.file,
            problem.line,
            show::plain(&problem.message)
        )
    })?;
    Ok(if request.html {
        show::html(&request.title, &rows)
    } else {
        show::table(&request.title, &rows)
    })
}

fn read_command_line(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
    let mut request = Request {
        title: "Report".to_owned(),
        html: false,
        file: "/data/planets.csv".to_owned(),
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--title" => request.title = words.next().ok_or(USAGE)?,
            "--html" => request.html = true,
            _ if word.starts_with("--") => return Err(USAGE.to_owned()),
            _ => request.file = word,
        }
    }
    Ok(request)
}

fn read(file: &str) -> Result<String, String> {
    let cannot = |why: std::io::Error| format!("cannot read `{file}`: {why}");
    let mut bytes = Vec::new();
    if file == "-" {
        std::io::stdin()
            .take(TEXT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
    } else {
        let opened = std::fs::File::open(file).map_err(cannot)?;
        opened
            .take(TEXT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
    }
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(format!("`{file}` is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| format!("`{file}` is not UTF-8 text"))
}
