//! Encrypted connections, and certificates that change.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use weft_app::trigger::http::TlsFiles;
use weft_serve::Notice;

use crate::serving::{Running, Setup, wait_until};

/// Writes a certificate; the roots that trust it.
fn write_certificate(folder: &Path) -> rustls::RootCertStore {
    let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    fs_err::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs_err::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
    roots
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

async fn connect(
    server: &Running,
    roots: &rustls::RootCertStore,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("a.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream
        .write_all(b"GET /seen HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains("host=a.example") {
        let mut room = [0; 4096];
        let length = stream.read(&mut room).await.unwrap();
        assert!(length > 0, "{text}");
        text.push_str(std::str::from_utf8(&room[..length]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_client_chooses_the_version_of_http_in_the_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let roots = write_certificate(folder.path());
    let server = Setup::new().tls(files(folder.path())).start();
    let mut stream = connect(&server, &roots, &["http/1.1"]).await.unwrap();
    assert!(ask(&mut stream).await.contains("encrypted=true"));
    let mut stream = connect(&server, &roots, &[]).await.unwrap();
    assert!(ask(&mut stream).await.contains("HTTP/1.1"));
    let stream = connect(&server, &roots, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://a.example/seen").body(()).unwrap();
    let (response, _) = send.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let text = body.data().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&text).contains("HTTP/2.0"), "{text:?}");
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let old_roots = write_certificate(folder.path());
    let server = Setup::new().tls(files(folder.path())).start();
    let mut kept = connect(&server, &old_roots, &[]).await.unwrap();
    ask(&mut kept).await;
    fs_err::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    server.server.as_ref().unwrap().reload_certificates();
    wait_until("the broken certificate to be told", || {
        server
            .notices
            .lock()
            .iter()
            .any(|notice| matches!(notice, Notice::CertificateRefused { .. }))
    });
    let mut stream = connect(&server, &old_roots, &[]).await.unwrap();
    ask(&mut stream).await;
    let new_roots = write_certificate(folder.path());
    server.server.as_ref().unwrap().reload_certificates();
    wait_until("the new certificate to be used", || {
        server
            .notices
            .lock()
            .iter()
            .any(|notice| matches!(notice, Notice::CertificateReplaced(_)))
    });
    assert!(connect(&server, &old_roots, &[]).await.is_err());
    let mut stream = connect(&server, &new_roots, &[]).await.unwrap();
    ask(&mut stream).await;
    ask(&mut kept).await;
}

#[test]
fn what_is_no_tls_ends_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let server = Setup::new().tls(files(folder.path())).start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!client.rest().starts_with(b"HTTP"));
}
