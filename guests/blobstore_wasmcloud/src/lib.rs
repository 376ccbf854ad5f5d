//! A command of 0.3 that does what its arguments say with containers of `wasmcloud:blobstore` 0.1.0, one call each.
//!
//! An argument is words: `get NAME` and `create NAME` change the container, most others work on it. What each call came
//! to is a line.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

use std::future::Future;
use std::task::Poll;

use wasip3::cli::{environment, exit, stdout};
use wasip3::clocks::monotonic_clock;
use wasmcloud::blobstore::blobstore;
use wasmcloud::blobstore::container::Container;
use wasmcloud::blobstore::types::{Error, ObjectId};
use wit_bindgen::{StreamReader, StreamResult};

struct Command;
wasip3::cli::command::export!(Command);

const PIECE_BYTES: usize = 100_000;

/// What the calls have to do with each other.
#[derive(Default)]
struct State {
    container: Option<Container>,
    held: Option<StreamReader<u8>>,
}

type Answered = Result<String, Error>;

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let mut state = State::default();
        for argument in environment::get_arguments().into_iter().skip(1) {
            let words: Vec<&str> = argument.split(' ').collect();
            let line = match of_store(&mut state, &words).await {
                Some(answered) => Some(answered),
                None => of_container(&mut state, &words).await,
            };
            match line {
                Some(Ok(line)) => print(line + "\n").await?,
                Some(Err(error)) => print(format!("error: {}\n", show_error(&error))).await?,
                None => {
                    print(format!("usage: `{argument}` is no call\n")).await?;
                    exit::exit_with_code(2);
                }
            }
        }
        Ok(())
    }
}

async fn print(line: String) -> Result<(), ()> {
    let (mut writer, reader) = wasip3::wit_stream::new();
    wit_bindgen::spawn_local(async move { drop(writer.write_all(line.into_bytes()).await) });
    stdout::write_via_stream(reader).await.map_err(drop)
}

fn show_error(error: &Error) -> &str {
    match error {
        Error::NoSuchContainer => "no such container",
        Error::ContainerAlreadyExists => "container already exists",
        Error::NoSuchObject => "no such object",
        Error::AccessDenied => "access denied",
        Error::Timeout => "timeout",
        Error::StoreUnavailable => "store unavailable",
        Error::QuotaExceeded => "quota exceeded",
        Error::Other(why) => why,
    }
}

fn done((): ()) -> String {
    "done".to_owned()
}

async fn of_store(state: &mut State, words: &[&str]) -> Option<Answered> {
    let mut opened = |container: Result<Container, Error>| {
        container.map(|container| {
            state.container = Some(container);
            "opened".to_owned()
        })
    };
    let id = |container: &str, object: &str| ObjectId {
        container: container.to_owned(),
        object: object.to_owned(),
    };
    Some(match words {
        ["get", name] => opened(blobstore::get_container((*name).to_owned()).await),
        ["create", name] => opened(blobstore::create_container((*name).to_owned()).await),
        ["exists", name] => {
            let found = blobstore::container_exists((*name).to_owned()).await;
            found.map(|is_there| is_there.to_string())
        }
        ["delete-container", name] => blobstore::delete_container((*name).to_owned()).await.map(done),
        ["copy", from, name, to, other] => {
            blobstore::copy_object(id(from, name), id(to, other)).await.map(done)
        }
        ["move", from, name, to, other] => {
            blobstore::move_object(id(from, name), id(to, other)).await.map(done)
        }
        _ => return None,
    })
}

async fn of_container(state: &mut State, words: &[&str]) -> Option<Answered> {
    let container = state.container.as_ref()?;
    let owned = |name: &str| name.to_owned();
    Some(match words {
        ["name"] => container.name().await,
        ["info"] => {
            let info = container.info().await;
            info.map(|info| format!("{} {}", info.name, is_recent(info.created_at)))
        }
        ["list"] => list(container, 1000).await,
        ["list-by", count] => list(container, count.parse().ok()?).await,
        ["has", name] => container.has_object(owned(name)).await.map(|is_there| is_there.to_string()),
        ["about", name] => container.object_info(owned(name)).await.map(|info| {
            format!(
                "{} of {}, {} bytes, {}",
                info.name,
                info.container,
                info.size,
                is_recent(info.created_at)
            )
        }),
        ["delete", name] => container.delete_object(owned(name)).await.map(done),
        ["delete-many", names @ ..] => {
            let names = names.iter().map(|name| owned(name)).collect();
            container.delete_objects(names).await.map(done)
        }
        ["clear"] => container.clear().await.map(done),
        ["write", ..] | ["write-size", ..] | ["write-nothing", ..] | ["write-beside", ..] | ["write-half", ..] => {
            return writing(container, words).await;
        }
        _ => return reading(container, &mut state.held, words).await,
    })
}

/// Whether it is a number of nanoseconds in this century.
fn is_recent(nanos: u64) -> bool {
    (1_700_000_000_000_000_000..4_000_000_000_000_000_000).contains(&nanos)
}

async fn writing(container: &Container, words: &[&str]) -> Option<Answered> {
    Some(match words {
        ["write", name, text] => write(container, name, vec![text.as_bytes().to_vec()]).await.0,
        ["write-size", name, bytes] => {
            let bytes: usize = bytes.parse().ok()?;
            let mut pieces = vec![vec![7; PIECE_BYTES]; bytes / PIECE_BYTES];
            pieces.push(vec![7; bytes % PIECE_BYTES]);
            let (written, left) = write(container, name, pieces).await;
            // Whoever is refused hears of it while it writes, if there is enough to write.
            written.map(|line| if left == 0 { line } else { format!("{line}, and {left} pieces left") })
        }
        ["write-nothing", name] => write(container, name, Vec::new()).await.0,
        ["write-beside", count] => {
            let count: usize = count.parse().ok()?;
            let names: Vec<String> = (0..count).map(|number| format!("o{number}")).collect();
            let calls = names.iter().map(|name| write(container, name, vec![vec![7; PIECE_BYTES]; 3]));
            let came = all(calls).await;
            match came.into_iter().find_map(|(written, _)| written.err()) {
                Some(error) => Err(error),
                None => Ok(format!("{count} done")),
            }
        }
        // Half of it, and then the call is cancelled, or the guest ends.
        ["write-half", name, text, then] => {
            let (mut writer, reader) = wit_stream::new();
            let mut call = Box::pin(container.write_data((*name).to_owned(), reader));
            let is_done = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready()));
            assert!(!is_done.await);
            assert!(writer.write_all(text.as_bytes().to_vec()).await.is_empty());
            if *then == "trap" {
                core::arch::wasm32::unreachable();
            }
            drop(call);
            monotonic_clock::wait_for(10_000_000).await;
            let left = writer.write_all(vec![7; 10]).await.len();
            drop(writer);
            monotonic_clock::wait_for(10_000_000).await;
            Ok(format!("cancelled, {left} left"))
        }
        _ => return None,
    })
}

/// Writes pieces while the call goes on; what it came to, and how many pieces nobody took.
async fn write(container: &Container, name: &str, pieces: Vec<Vec<u8>>) -> (Answered, usize) {
    let (mut writer, reader) = wit_stream::new();
    let feed = async move {
        let count = pieces.len();
        for (number, piece) in pieces.into_iter().enumerate() {
            if !writer.write_all(piece).await.is_empty() {
                return count - number;
            }
        }
        0
    };
    let (written, left) = both(container.write_data(name.to_owned(), reader), feed).await;
    (written.map(done), left)
}

async fn reading(container: &Container, held: &mut Option<StreamReader<u8>>, words: &[&str]) -> Option<Answered> {
    let whole = async |name: &str| container.get_data(name.to_owned(), 0, u64::MAX).await;
    Some(match words {
        ["read", name] => match whole(name).await {
            Ok(stream) => Ok(text(&read(stream, 64 << 10, usize::MAX).await)),
            Err(error) => Err(error),
        },
        ["read-by", name, count] => match whole(name).await {
            Ok(stream) => Ok(text(&read(stream, count.parse().ok()?, usize::MAX).await)),
            Err(error) => Err(error),
        },
        // Lets go of it in the middle.
        ["read-some", name, max] => match whole(name).await {
            Ok(stream) => Ok(text(&read(stream, 10, max.parse().ok()?).await)),
            Err(error) => Err(error),
        },
        ["part", name, first, last] => {
            let part = container.get_data((*name).to_owned(), first.parse().ok()?, last.parse().ok()?);
            match part.await {
                Ok(stream) => Ok(text(&read(stream, 64 << 10, usize::MAX).await)),
                Err(error) => Err(error),
            }
        }
        ["hold", name] => whole(name).await.map(|stream| {
            *held = Some(stream);
            "held".to_owned()
        }),
        ["held"] => Ok(text(&read(held.take()?, 64 << 10, usize::MAX).await)),
        // Keeps so many open at a time.
        ["open-many", name, count] => {
            let mut open = Vec::new();
            let mut came = Ok(());
            for _ in 0..count.parse().ok()? {
                match whole(name).await {
                    Ok(stream) => open.push(stream),
                    Err(error) => {
                        came = Err(error);
                        break;
                    }
                }
            }
            let count = open.len();
            drop(open);
            let again = whole(name).await.is_ok();
            match came {
                Ok(()) => Ok(format!("{count} open, {again}")),
                Err(error) => Ok(format!("{count} open, then {}, {again}", show_error(&error))),
            }
        }
        _ => return None,
    })
}

/// Reads by so many bytes to the end, or until there are so many.
async fn read(mut stream: StreamReader<u8>, by: usize, max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < max {
        let (result, piece) = stream.read(Vec::with_capacity(by)).await;
        bytes.extend(piece);
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    bytes
}

/// Short contents as they are, long ones by their length.
fn text(bytes: &[u8]) -> String {
    if bytes.len() <= 100 {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let is_right = bytes.iter().all(|byte| *byte == 7);
    format!("{} bytes, {is_right}", bytes.len())
}

async fn list(container: &Container, by: usize) -> Answered {
    let mut stream = container.list_objects().await?;
    let mut names = Vec::new();
    loop {
        let (result, some) = stream.read(Vec::with_capacity(by)).await;
        names.extend(some);
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    names.sort();
    Ok(match names.len() {
        0..20 => names.join(" "),
        many => format!("{many} names"),
    })
}

async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut of_a, mut of_b) = (None, None);
    std::future::poll_fn(move |context| {
        if of_a.is_none()
            && let Poll::Ready(done) = a.as_mut().poll(context)
        {
            of_a = Some(done);
        }
        if of_b.is_none()
            && let Poll::Ready(done) = b.as_mut().poll(context)
        {
            of_b = Some(done);
        }
        match (of_a.take(), of_b.take()) {
            (Some(of_a), Some(of_b)) => Poll::Ready((of_a, of_b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Polls all of them until each has come to something.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (future, came) in &mut futures {
            if came.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *came = Some(value),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, came)| came).collect()
}
