//! Outgoing HTTP from a guest: absent, denied, narrowed, and no way round.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::run;

const GUESTS: [&str; 2] = ["http_client", "http_client_p3"];

/// A server that answers every request with the same words; `/away` sends to another port.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, flag) = (requests.clone(), stopped.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    answer(stream, &counted);
                }
            }
        });
        Self {
            address,
            requests,
            stopped,
        }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread, which then looks at the flag.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: TcpStream, requests: &AtomicUsize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    if head.is_empty() {
        return;
    }
    requests.fetch_add(1, Ordering::Relaxed);
    let answer: &[u8] = if head.starts_with(b"GET /away") {
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    } else {
        b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\nconnection: close\r\n\r\nhello from a test"
    };
    let _ = stream.write_all(answer);
}

#[test]
fn a_request_needs_a_grant_for_its_origin() {
    for guest in GUESTS {
        let server = Server::start();
        let (url, origin) = (
            format!("http://{}/x", server.address),
            format!("http://{}", server.address),
        );
        let denied = run([], guest, ["GET", &url]).run().with_code(1);
        assert!(
            denied.stderr().contains(&format!("--http {origin}")),
            "{guest}: {}",
            denied.stderr()
        );
        let other_port = format!("http://127.0.0.1:{}", server.address.port() ^ 1);
        for grant in [
            "https://example.com",
            "http://127.0.0.1",
            "*.localhost",
            &other_port,
            "*",
        ] {
            run(["--http", grant], guest, ["GET", &url]).run().with_code(1);
        }
        assert_eq!(server.requests(), 0, "{guest}");
        let granted = run(["--http", &origin], guest, ["GET", &url]).run().with_code(0);
        assert!(
            granted.stdout().contains("200") && granted.stdout().contains("hello from a test"),
            "{guest}"
        );
        run(
            ["--http", "*", "--http-private", "127.0.0.0/8"],
            guest,
            ["GET", &url],
        )
        .run()
        .with_code(0);
        assert_eq!(server.requests(), 2, "{guest}");
    }
}

#[test]
fn a_redirect_is_the_guests_business() {
    for guest in GUESTS {
        let server = Server::start();
        let origin = format!("http://{}", server.address);
        let answer = run(["--http", &origin], guest, ["GET", &format!("{origin}/away")]).run();
        assert!(answer.stdout().contains("302"), "{guest}: {}", answer.stdout());
        assert_eq!(server.requests(), 1, "{guest}");
    }
}
