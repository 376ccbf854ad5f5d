//! The access log.

use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use weft_app::trigger::http::AccessLog;

use crate::serving::Setup;

struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn lines(format: AccessLog) -> Vec<String> {
    let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
    let mut setup = Setup::new();
    setup.settings.access_log = format;
    setup.settings.log_writer = Box::new(Kept(Arc::clone(&kept)));
    let mut server = setup.start();
    assert_eq!(server.status("/a?b"), 200);
    assert_eq!(server.status("/missing/fault/guest"), 200);
    let mut client = server.connect();
    client.send("GET /length/right HTTP/1.1\r\nHost: a\r\nUser-Agent: \u{9b}31m\"\r\n\r\n");
    assert_eq!(client.response().unwrap().status, 200);
    drop(client);
    // Everything is written when the server has ended.
    let _ended = server.server.take().unwrap().drain();
    let text = String::from_utf8(kept.lock().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_request_has_a_line_in_the_common_format() {
    let lines = lines(AccessLog::Common);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{lines:?}");
    assert!(lines[0].ends_with("] \"GET /a?b HTTP/1.1\" 200 5"), "{lines:?}");
}

#[test]
fn every_request_has_an_object_in_json_without_control_characters() {
    let lines = lines(AccessLog::Json);
    let last: serde_json::Value = serde_json::from_str(&lines[2]).unwrap();
    assert_eq!(last["status"], 200);
    assert_eq!(last["bytes"], 5);
    assert_eq!(last["route"], "all");
    assert_eq!(last["complete"], true);
    assert_eq!(last["user_agent"], "\u{9b}31m\"");
    assert!(!lines[2].chars().any(char::is_control));
}
