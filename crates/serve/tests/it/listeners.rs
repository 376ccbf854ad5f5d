//! Where connections come in, and how they begin.

use std::io::{Read as _, Write as _};

use weft_app::trigger::http::{ListenAddress, ProxyProtocol};
use weft_serve::{Server, Settings, Site, StartError};

use crate::serving::{Answerer, Client, Setup, listener, route};

#[test]
fn a_server_listens_in_several_places_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let mut setup = Setup::new();
    setup.settings.listeners.push(listener("[::1]:0"));
    setup
        .settings
        .listeners
        .push(listener(&format!("unix:{}", path.display())));
    let mut server = setup.start();
    let addresses = server.server.as_ref().unwrap().addresses().to_vec();
    for address in &addresses[..2] {
        let ListenAddress::Tcp(address) = address else {
            panic!("{address}")
        };
        assert_ne!(address.port(), 0);
        assert_eq!(Client::connect(*address).get("/").status, 200);
    }
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream
        .write_all(b"GET /seen HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("client=-"), "{text}");
    drop(server.server.take());
    assert!(!path.exists(), "the socket was left behind");
}

#[test]
fn an_address_that_is_taken_is_refused_and_a_stale_socket_is_not_in_the_way() {
    let server = Setup::new().start();
    let settings = |address: String| Settings {
        listeners: vec![listener(&address)],
        ..Setup::new().settings
    };
    let site = || Site {
        handler: Answerer::default(),
        routes: vec![route("all", "/*")],
    };
    let again = Server::start(settings(server.address.to_string()), site());
    assert!(matches!(again, Err(StartError::Listen { .. })), "{again:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let address = format!("unix:{}", path.display());
    let first = Server::start(settings(address.clone()), site()).unwrap();
    assert!(Server::start(settings(address.clone()), site()).is_err());
    drop(first);
    fs_err::write(&path, "a file").unwrap();
    assert!(Server::start(settings(address), site()).is_err());
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "a file");
}

#[test]
fn a_balancer_says_who_the_client_is_and_nobody_else_is_let_in() {
    let mut setup = Setup::new();
    setup.settings.listeners[0].proxy_protocol = ProxyProtocol::Required;
    let server = setup.start();
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    binary.extend([192, 0, 2, 9, 192, 0, 2, 2, 0x9c, 0x40, 1, 187]);
    for (header, client) in [
        (
            &b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n"[..],
            Some("client=192.0.2.1:40000 "),
        ),
        (
            b"PROXY TCP6 2001:db8::1 ::1 7 443\r\n",
            Some("client=[2001:db8::1]:7 "),
        ),
        (&binary, Some("client=192.0.2.9:40000 ")),
        (b"PROXY UNKNOWN\r\n", Some("client=127.0.0.1:")),
        (b"", None),
        (b"PROXY TCP4 192.0.2.1\r\n", None),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\n", None),
    ] {
        let mut connection = server.connect();
        connection.send_bytes(&[header, b"GET /seen HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        let reply = connection.response();
        match client {
            Some(client) => assert!(reply.as_ref().unwrap().text().contains(client), "{reply:?}"),
            None => assert!(reply.is_none(), "{reply:?}"),
        }
    }
}

#[test]
fn connections_that_stay_are_spread_evenly_over_the_threads() {
    let mut setup = Setup::new();
    setup.settings.threads = std::num::NonZeroUsize::new(3);
    // Two listeners, so that what is handed on has to be told apart.
    setup.settings.listeners.push(listener("127.0.0.1:0"));
    let server = setup.start();
    let addresses = server.server.as_ref().unwrap().addresses().to_vec();
    let mut clients = Vec::new();
    let mut counts = std::collections::BTreeMap::new();
    for number in 0..60 {
        let ListenAddress::Tcp(address) = &addresses[number % 2] else {
            panic!("{addresses:?}")
        };
        let mut client = Client::connect(*address);
        *counts.entry(client.get("/thread").text()).or_insert(0) += 1;
        clients.push(client);
    }
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(names, ["serve-0", "serve-1", "serve-2"]);
    assert!(
        counts.values().all(|count| (18..=22).contains(count)),
        "{counts:?}"
    );
    // Each stays where it is.
    let again: Vec<String> = clients
        .iter_mut()
        .map(|client| client.get("/thread").text())
        .collect();
    for (name, count) in counts {
        assert_eq!(again.iter().filter(|thread| **thread == name).count(), count);
    }
}
