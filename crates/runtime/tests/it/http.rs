//! Requests into guests, responses out of them: fresh and kept instances, of WASI 0.2 and 0.3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use weft_app::trigger::http::Reuse;
use weft_app::{Grants, Limits};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::http::{
    Background, BodyError, Failure, GuestBody, HttpProgram, HttpProgramError, ServedPrincipal, Serving,
    Transport,
};
use weft_runtime::{Concurrency, Engine, EngineOptions, Imports, LimitHit, Profile, Program};
use weft_testing::guest;

/// The guest that does what its path says, for each release.
const GUESTS: [(&str, Concurrency); 2] = [("web", Concurrency::Off), ("web_p3", Concurrency::On)];

fn serving(reuse: Reuse) -> Serving {
    Serving {
        principals: vec![ServedPrincipal {
            grants: Grants::default().into(),
            arguments: ["web".to_owned()].into(),
            http: None,
            services: weft_runtime::Services::default(),
            denials: DenialLog::default(),
        }],
        imports: Imports::Own,
        links: weft_runtime::Links::default(),
        heap_bytes_max: None,
        limits: Limits {
            memory_bytes_max: Some(64 << 20),
            ..Limits::default()
        },
        reuse,
    }
}

fn prepare(name: &str, concurrency: Concurrency, reuse: Reuse) -> Result<HttpProgram, HttpProgramError> {
    let options = EngineOptions {
        instances_max: 16,
        ..EngineOptions::default()
    };
    let engine = Engine::new(Profile::Serving(concurrency), options).unwrap();
    let program = Program::compile(&engine, &fs_err::read(guest(name)).unwrap()).unwrap();
    let background = Background::start(1, vec![engine]).unwrap();
    HttpProgram::new(&program, serving(reuse), background)
}

fn fresh(name: &str, concurrency: Concurrency) -> HttpProgram {
    prepare(name, concurrency, Reuse::default()).unwrap()
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path)
        .header("host", "example.com")
        .body(Empty::new())
        .unwrap()
}

async fn ask<B>(program: &HttpProgram, request: Request<B>) -> Result<Response<GuestBody>, Failure>
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
{
    let request = request.map(|body| body.map_err(|never| -> BodyError { match never {} }));
    program.handle(request, Transport::Plain).await
}

async fn text(response: Response<GuestBody>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// What a thread of connections has.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Runs a test on a thread of its own, as connections are served.
fn on_a_thread(test: impl AsyncFn(HttpProgram)) {
    for (name, concurrency) in GUESTS {
        let runtime = runtime();
        let program = fresh(name, concurrency);
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), test(program))
                .await
                .unwrap();
        });
    }
}

#[test]
fn a_request_is_answered() {
    on_a_thread(async |program| {
        let response = ask(&program, get("/hello")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!text(response).await.is_empty());
        let response = ask(&program, get("/status?code=418")).await.unwrap();
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    });
}

#[test]
fn a_short_body_of_a_guest_that_is_done_has_a_length() {
    on_a_thread(async |program| {
        let response = ask(&program, get("/hello")).await.unwrap();
        // A guest of 0.3 writes its body from a task of its own, and may still be at it.
        if let Some(length) = response.body().size_hint().exact() {
            assert_eq!(length, text(response).await.len() as u64);
        }
    });
    let runtime = runtime();
    let program = fresh("web", Concurrency::Off);
    let response = runtime.block_on(ask(&program, get("/hello"))).unwrap();
    assert!(response.body().size_hint().exact().is_some());
}

#[test]
fn bodies_stream_both_ways_at_the_same_time() {
    on_a_thread(async |program| {
        let (mut pieces, body) = mpsc::channel::<Bytes>(1);
        let body = StreamBody::new(body.map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece))));
        let request = Request::post("/echo")
            .header("host", "example.com")
            .body(body)
            .unwrap();
        let response = ask(&program, request).await.unwrap();
        let mut echoed = response.into_body();
        for number in 0..50_u8 {
            let piece = Bytes::from(vec![number; 1000]);
            pieces.send(piece.clone()).await.unwrap();
            let mut back = Vec::new();
            while back.len() < piece.len() {
                back.extend_from_slice(&echoed.frame().await.unwrap().unwrap().into_data().unwrap());
            }
            assert_eq!(back, piece);
        }
        drop(pieces);
        assert!(echoed.frame().await.is_none());
    });
}

#[test]
fn a_large_body_arrives_whole() {
    on_a_thread(async |program| {
        let response = ask(&program, get("/big?bytes=5000000")).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), 5_000_000);
    });
}

#[test]
fn a_guest_waits_for_a_reader_that_is_slow() {
    on_a_thread(async |program| {
        let response = ask(&program, get("/big?bytes=50000000")).await.unwrap();
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap();
        assert!(first.data_ref().is_some_and(|data| data.len() <= 2 << 20));
        // Dropping it ends the guest; nothing hangs.
        drop(body);
    });
}

#[test]
fn trailers_come_after_the_body() {
    on_a_thread(async |program| {
        let response = ask(&program, get("/trailers")).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert!(body.trailers().is_some_and(|trailers| !trailers.is_empty()));
    });
}

#[test]
fn a_head_request_has_no_body_and_the_guest_ends() {
    on_a_thread(async |program| {
        let head = || {
            Request::builder()
                .method(Method::HEAD)
                .uri("/big?bytes=3000000")
                .header("host", "example.com")
                .body(Empty::<Bytes>::new())
                .unwrap()
        };
        // The pool has room for 16: guests that did not end would fill it, however long one waits.
        let until = Instant::now() + Duration::from_secs(20);
        for _ in 0..40 {
            let response = loop {
                match ask(&program, head()).await {
                    Ok(response) => break response,
                    Err(Failure::NoRoom(_)) if Instant::now() < until => {}
                    Err(failure) => panic!("{failure:?}"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            assert!(response.body().is_end_stream());
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_trap_is_a_failure_that_says_what_happened() {
    on_a_thread(async |program| match ask(&program, get("/trap")).await {
        Err(Failure::Trap(trap)) => assert!(!trap.frames.is_empty()),
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_guest_without_a_response_is_a_failure() {
    on_a_thread(async |program| {
        let failure = ask(&program, get("/no-response")).await.unwrap_err();
        assert!(
            matches!(
                failure,
                Failure::NoResponse | Failure::Trap(_) | Failure::Refused(_)
            ),
            "{failure:?}"
        );
    });
}

#[test]
fn memory_beyond_the_limit_is_refused() {
    on_a_thread(async |program| {
        match ask(&program, get("/memory?mib=100")).await {
            Err(Failure::Limit(LimitHit::Memory { .. }, _)) => {}
            other => panic!("{other:?}"),
        }
        let response = ask(&program, get("/memory?mib=20")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    });
}

#[test]
fn no_request_sees_what_another_left_behind() {
    on_a_thread(async |program| {
        for _ in 0..3 {
            assert_eq!(
                text(ask(&program, get("/count")).await.unwrap()).await.trim(),
                "1"
            );
        }
    });
}

#[test]
fn a_kept_instance_answers_as_often_as_it_may() {
    for (name, concurrency) in GUESTS {
        let reuse = Reuse {
            requests_max: 3,
            idle_timeout: Duration::from_secs(60),
            ..Reuse::default()
        };
        let program = prepare(name, concurrency, reuse).unwrap();
        let runtime = runtime();
        runtime.block_on(async {
            let mut counts = Vec::new();
            for _ in 0..7 {
                counts.push(
                    text(ask(&program, get("/count")).await.unwrap())
                        .await
                        .trim()
                        .to_owned(),
                );
            }
            assert_eq!(counts, ["1", "2", "3", "1", "2", "3", "1"], "{name}");
            // One that failed is not used again.
            assert!(ask(&program, get("/trap")).await.is_err());
            assert_eq!(
                text(ask(&program, get("/count")).await.unwrap()).await.trim(),
                "1"
            );
        });
    }
}

#[test]
fn an_instance_that_nobody_used_for_long_is_gone() {
    for (name, concurrency) in GUESTS {
        let reuse = Reuse {
            requests_max: 100,
            idle_timeout: Duration::from_millis(1),
            ..Reuse::default()
        };
        let program = prepare(name, concurrency, reuse).unwrap();
        let runtime = runtime();
        runtime.block_on(async {
            assert_eq!(
                text(ask(&program, get("/count")).await.unwrap()).await.trim(),
                "1"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
            program.sweep();
            assert_eq!(
                text(ask(&program, get("/count")).await.unwrap()).await.trim(),
                "1"
            );
        });
    }
}

#[test]
fn several_requests_at_a_time_are_for_guests_that_can_do_that() {
    let reuse = Reuse {
        requests_max: 100,
        concurrent_max: 8,
        ..Reuse::default()
    };
    let refused = prepare("web", Concurrency::Off, reuse);
    assert!(matches!(refused, Err(HttpProgramError::OneAtATime { wanted: 8 })));
    let program = prepare("web_p3", Concurrency::On, reuse).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let started = std::time::Instant::now();
        let slow = (0..8).map(|_| async { text(ask(&program, get("/slow?ms=300")).await.unwrap()).await });
        futures::future::join_all(slow).await;
        assert!(started.elapsed() < Duration::from_millis(8 * 300));
        // All of them were answered by one instance.
        assert_eq!(
            text(ask(&program, get("/count")).await.unwrap()).await.trim(),
            "9"
        );
    });
}

#[test]
fn a_guest_that_never_answers_takes_only_those_with_it_who_share_it() {
    let reuse = Reuse {
        requests_max: 100,
        concurrent_max: 2,
        idle_timeout: Duration::from_secs(60),
    };
    let program = prepare("web_p3", Concurrency::On, reuse).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        for _ in 0..20 {
            let spinning = ask(&program, get("/spin"));
            assert!(
                tokio::time::timeout(Duration::from_millis(20), spinning)
                    .await
                    .is_err()
            );
            // The next one has an instance of its own, and the pool of 16 is never full.
            assert_eq!(
                text(ask(&program, get("/count")).await.unwrap()).await.trim(),
                "1"
            );
            assert!(ask(&program, get("/trap")).await.is_err());
        }
    });
}

#[test]
fn a_guest_that_computes_leaves_the_thread_to_others() {
    on_a_thread(async |program| {
        let mut spinning = Box::pin(ask(&program, get("/spin")));
        let started = std::time::Instant::now();
        // The first poll returns although the guest never does.
        poll_fn(|cx| {
            assert!(spinning.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert!(started.elapsed() < Duration::from_secs(5));
        for _ in 0..5 {
            assert!(!text(ask(&program, get("/hello")).await.unwrap()).await.is_empty());
        }
        let ended = tokio::time::timeout(Duration::from_millis(100), spinning).await;
        assert!(ended.is_err(), "it spins for ever");
    });
}

#[test]
fn spinning_guests_that_are_dropped_give_their_place_back() {
    on_a_thread(async |program| {
        // The pool has room for 16. One that was dropped ends when its thread looks at it again.
        for _ in 0..40 {
            loop {
                let spinning = ask(&program, get("/spin"));
                match tokio::time::timeout(Duration::from_millis(10), spinning).await {
                    Err(_) => break,
                    Ok(Err(Failure::NoRoom(_))) => tokio::time::sleep(Duration::from_millis(10)).await,
                    Ok(other) => panic!("{other:?}"),
                }
            }
        }
        while matches!(ask(&program, get("/hello")).await, Err(Failure::NoRoom(_))) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!text(ask(&program, get("/hello")).await.unwrap()).await.is_empty());
    });
}

#[test]
fn more_instances_than_there_is_room_for_are_refused() {
    on_a_thread(async |program| {
        let mut slow: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
        let mut refused = 0;
        for _ in 0..20 {
            let mut one = Box::pin(ask(&program, get("/slow?ms=60000")));
            match poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx))).await {
                std::task::Poll::Ready(Err(Failure::NoRoom(_))) => refused += 1,
                std::task::Poll::Ready(other) => panic!("{other:?}"),
                std::task::Poll::Pending => slow.push(one),
            }
        }
        assert_eq!((slow.len(), refused), (16, 4));
        drop(slow);
        assert!(!text(ask(&program, get("/hello")).await.unwrap()).await.is_empty());
    });
}

#[test]
fn a_request_body_that_breaks_off_reaches_the_guest_as_an_error() {
    on_a_thread(async |program| {
        let (mut pieces, body) = mpsc::channel::<Result<Frame<Bytes>, BodyError>>(1);
        let request = Request::post("/echo")
            .header("host", "example.com")
            .body(StreamBody::new(body))
            .unwrap();
        pieces
            .send(Ok(Frame::data(Bytes::from_static(b"half"))))
            .await
            .unwrap();
        let response = program.handle(request, Transport::Plain).await.unwrap();
        pieces.send(Err(BodyError::Broken)).await.unwrap();
        drop(pieces);
        // What the guest does then is its own affair, but it comes to an end.
        let _ = response.into_body().collect().await;
    });
}

#[test]
fn only_what_answers_requests_is_served() {
    let refused = prepare("hello.p2", Concurrency::Off, Reuse::default());
    assert!(matches!(refused, Err(HttpProgramError::NoHandler)));
    let refused = prepare("hello.wat", Concurrency::Off, Reuse::default());
    assert!(matches!(refused, Err(HttpProgramError::Prepare(_))));
}

#[test]
fn a_guest_is_told_how_it_was_reached() {
    on_a_thread(async |program| {
        let body = Full::new(Bytes::new());
        let request = Request::get("/headers")
            .header("host", "example.com")
            .header("x-mine", "one")
            .body(body.map_err(|never| -> BodyError { match never {} }))
            .unwrap();
        let response = program.handle(request, Transport::Encrypted).await.unwrap();
        let text = text(response).await;
        assert!(text.contains("x-mine"), "{text}");
    });
}
