//! Files of a folder.

use std::os::unix::fs::symlink;

use weft_app::trigger::http::RouteTarget;

use crate::serving::{Client, Reply, Running, Setup, route};

fn start() -> (tempfile::TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("public");
    fs_err::create_dir_all(root.join("sub")).unwrap();
    fs_err::write(folder.path().join("secret"), "secret").unwrap();
    fs_err::write(root.join("index.html"), "<p>front").unwrap();
    fs_err::write(root.join("sub/index.html"), "<p>sub").unwrap();
    fs_err::write(root.join("a b.txt"), "0123456789").unwrap();
    fs_err::write(root.join("large.bin"), vec![7; 1_000_000]).unwrap();
    fs_err::write(root.join("empty"), "").unwrap();
    fs_err::write(root.join(".hidden"), "hidden").unwrap();
    symlink("a b.txt", root.join("inside.txt")).unwrap();
    symlink("../secret", root.join("outside.txt")).unwrap();
    symlink("/etc", root.join("etc")).unwrap();
    let mut files = route("files", "/s/*");
    files.target = RouteTarget::Files(root);
    let server = Setup::new().routes(vec![files, route("app", "/*")]).start();
    (folder, server)
}

fn ask(client: &mut Client, method: &str, path: &str, headers: &str) -> Reply {
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
    client.response_to(method).unwrap()
}

#[test]
fn files_are_served_and_nothing_else_is() {
    let (_folder, server) = start();
    let mut client = server.connect();
    for (path, status, body) in [
        ("/s/", 200, "<p>front"),
        ("/s/sub/", 200, "<p>sub"),
        ("/s/a%20b.txt", 200, "0123456789"),
        ("/s/inside.txt?x", 200, "0123456789"),
        ("/s/empty", 200, ""),
        ("/", 200, "hello"),
        ("/s/missing", 404, ""),
        ("/s/outside.txt", 404, ""),
        ("/s/etc/passwd", 404, ""),
        ("/s/.hidden", 404, ""),
        ("/s/%2ehidden", 404, ""),
        ("/s/../../secret", 404, ""),
        ("/s/%2e%2e/secret", 404, ""),
        ("/s/..%2fsecret", 404, ""),
        ("/s/a%20b.txt/", 404, ""),
        ("/s//index.html", 404, ""),
        ("/s/a%00", 400, ""),
    ] {
        let reply = ask(&mut client, "GET", path, "");
        assert_eq!(reply.status, status, "{path}");
        if status == 200 {
            assert_eq!(reply.text(), body, "{path}");
        }
    }
    for (path, target) in [("/s", "/s/"), ("/s/sub?a=b", "/s/sub/?a=b")] {
        let reply = ask(&mut client, "GET", path, "");
        assert_eq!((reply.status, reply.header("location")), (308, Some(target)));
    }
    assert_eq!(server.status("/s/a%"), 400);
    let reply = ask(&mut client, "POST", "/s/a%20b.txt", "");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
    let large = ask(&mut client, "GET", "/s/large.bin", "");
    assert_eq!(
        (large.body.len(), large.header("content-length")),
        (1_000_000, Some("1000000"))
    );
    let head = ask(&mut client, "HEAD", "/s/large.bin", "");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("1000000"))
    );
    let text = ask(&mut client, "GET", "/s/a%20b.txt", "");
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn a_client_that_has_a_file_is_not_sent_it_again_and_may_ask_for_a_part() {
    let (folder, server) = start();
    let mut client = server.connect();
    let path = "/s/a%20b.txt";
    let whole = ask(&mut client, "GET", path, "");
    let tag = whole.header("etag").unwrap().to_owned();
    let date = whole.header("last-modified").unwrap().to_owned();
    for (headers, status, body) in [
        (format!("If-None-Match: {tag}\r\n"), 304, ""),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304, ""),
        ("If-None-Match: \"x\"\r\n".to_owned(), 200, "0123456789"),
        (format!("If-Modified-Since: {date}\r\n"), 304, ""),
        (
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned(),
            200,
            "0123456789",
        ),
        ("If-Match: \"x\"\r\n".to_owned(), 412, ""),
        ("Range: bytes=2-4\r\n".to_owned(), 206, "234"),
        ("Range: bytes=-2\r\n".to_owned(), 206, "89"),
        (format!("Range: bytes=2-4\r\nIf-Range: {tag}\r\n"), 206, "234"),
        (
            "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n".to_owned(),
            200,
            "0123456789",
        ),
        ("Range: bytes=0-1,3-4\r\n".to_owned(), 200, "0123456789"),
        ("Range: bytes=50-\r\n".to_owned(), 416, ""),
    ] {
        let reply = ask(&mut client, "GET", path, &headers);
        assert_eq!((reply.status, reply.text().as_str()), (status, body), "{headers}");
    }
    let part = ask(&mut client, "GET", "/s/large.bin", "Range: bytes=999990-\r\n");
    assert_eq!(
        (part.body.len(), part.header("content-range")),
        (10, Some("bytes 999990-999999/1000000"))
    );
    fs_err::write(folder.path().join("public/a b.txt"), "changed").unwrap();
    assert_eq!(
        ask(&mut client, "GET", path, &format!("If-None-Match: {tag}\r\n")).text(),
        "changed"
    );
}
