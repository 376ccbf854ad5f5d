//! What a client or a balancer sends: heads and chunks of HTTP/1, and the PROXY protocol.

use weft_serve::protocol::head::{Bounds, Framing, Scan, scan};
use weft_serve::protocol::{Chunks, proxy};

/// Reads bytes as a request with its body, as chunks, and as a header of the PROXY protocol.
///
/// # Panics
/// Where it matters how bytes are cut, or where the parser behind the front reads a head in another way.
pub fn front(data: &[u8]) {
    let bounds = Bounds {
        bytes_max: 4096,
        headers_max: 16,
        body_bytes_max: Some(1 << 20),
    };
    if let Ok(Scan::Whole { length, framing }) = scan(data, &bounds) {
        check_head(data, length, &bounds);
        if framing == Framing::Chunked {
            check_chunks(data.get(length..).unwrap_or_default());
        }
    }
    check_chunks(data);
    check_proxy(data);
}

fn check_head(data: &[u8], length: usize, bounds: &Bounds) {
    let (head, _) = data.split_at(length);
    assert_eq!(
        scan(head, bounds).ok(),
        scan(data, bounds).ok(),
        "what follows a head changes it"
    );
    let cuts = (0..length).filter(|cut| length < 512 || cut % 37 == 0);
    for cut in cuts {
        let (start, _) = head.split_at(cut);
        assert_eq!(
            scan(start, bounds),
            Ok(Scan::Partial),
            "a part of a head is no part of one"
        );
    }
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(data) {
        Ok(httparse::Status::Complete(found)) => assert_eq!(found, length, "two ends of a head"),
        other => panic!("a head that the parser behind takes for none: {other:?}"),
    }
    assert!(request.headers.len() <= bounds.headers_max);
    let counted = |name: &str| {
        let headers = request.headers.iter();
        headers
            .filter(|header| header.name.eq_ignore_ascii_case(name))
            .count()
    };
    let (lengths, codings) = (counted("content-length"), counted("transfer-encoding"));
    assert!(lengths + codings <= 1, "more than one end of a body");
    assert!(counted("host") <= 1, "more than one host");
}

fn check_chunks(data: &[u8]) {
    let mut whole = Chunks::default();
    let used = whole.follow(data, Some(1 << 20));
    let mut pieces = Chunks::default();
    let mut used_in_pieces = 0;
    for byte in data.chunks(1) {
        match pieces.follow(byte, Some(1 << 20)) {
            Ok(0) => break,
            Ok(used) => used_in_pieces += used,
            Err(refusal) => {
                assert_eq!(used, Err(refusal), "cut into bytes, the chunks are others");
                return;
            }
        }
    }
    assert_eq!(
        used,
        Ok(used_in_pieces),
        "cut into bytes, the chunks end elsewhere"
    );
    assert_eq!(whole.is_done(), pieces.is_done());
}

fn check_proxy(data: &[u8]) {
    let Ok(proxy::Found::Whole { length, .. }) = proxy::scan(data) else {
        return;
    };
    assert!(length <= proxy::BYTES_MAX && length <= data.len());
    let (header, _) = data.split_at(length);
    assert_eq!(
        proxy::scan(header),
        proxy::scan(data),
        "what follows a header changes it"
    );
    for cut in 0..length {
        let (start, _) = header.split_at(cut);
        assert_eq!(proxy::scan(start), Ok(proxy::Found::Partial));
    }
}
