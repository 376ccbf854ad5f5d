//! Whom a request is for and what it asks for: first lines and hosts, and what is none.

use crate::smuggling::{SMUGGLED, case, check, refused};

#[test]
fn a_target_has_the_form_that_its_method_asks_for() {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}");
    let with = |first: &str, host: &str| format!("{first} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut cases = vec![
        case(with("GET http://a/x?y", "a"), &[200], true, &["GET http://a/x?y"]),
        case(
            with("GET HTTP://A:80/x", "a:80"),
            &[200],
            true,
            &["GET http://A:80/x"],
        ),
        case(with("GET http://a", "a"), &[200], true, &["GET http://a/"]),
        case(with("GET http://a?x", "a"), &[200], true, &["GET http://a/?x"]),
        case(
            with("GET http://[::1]:80/", "[::1]:80"),
            &[200],
            true,
            &["GET http://[::1]:80/"],
        ),
        case(with("GET http://a:/", "a:"), &[200], true, &["GET http://a:/"]),
        case(with("GET //b/x", "a"), &[200], true, &["GET //b/x"]),
        case(with("get /x", "a"), &[200], true, &["get /x"]),
        case(with("GET /%41%2f%00", "a"), &[200], true, &["GET /%41%2f%00"]),
        case(with("GET /?100%", "a"), &[200], true, &["GET /?100%"]),
        case(with("OPTIONS *", "a"), &[204], true, &[]),
    ];
    for target in [
        "http://a/#b",
        "/#",
        "/a#b",
        "#",
        "?",
        "?x",
        "a/b",
        ".",
        "..",
        "\\",
        "/\\",
        "\\\\a\\b",
        "http:/a",
        "http:a",
        "http:///a",
        "http://",
        "http://:80/",
        "http://a:b/",
        "http://a:65536/",
        "http://a@a/",
        "http://a:b@a/",
        "http://@a/",
        "http://a%2f/",
        "http://a\\b/",
        "http://[a/",
        "http://b/",
        "http://a:80/",
        "http://a.b/",
        "ws://a/",
        "file:///a",
        "javascript:a",
        "mailto:a@a",
        "a:80",
        "[::1]:80",
        "*/",
        "**",
        "/%",
        "/%4",
        "/%zz",
        "/%u0041",
        "/a%",
        "http://a/%zz",
        "/\u{e4}",
        "/\u{fffd}",
        "/\u{7f}",
        "/\u{1}",
        "/\0",
        "/\t",
        "/`",
        "/^",
        "/<",
        "/>",
        "/\"",
        "https://a/",
    ] {
        cases.push(refused(400, get(target)));
    }
    for (status, first) in [
        (400, "POST *"),
        (400, "options *"),
        (400, "PRI *"),
        (405, "CONNECT a:80"),
        (405, "CONNECT /"),
        (405, "TRACE /"),
        (405, "TRACE *"),
        (400, "GET /"), // with an empty host, below
    ] {
        let host = if first == "GET /" { "" } else { "a" };
        cases.push(refused(status, format!("{}{SMUGGLED}", with(first, host))));
    }
    check(&cases);
}

#[test]
fn a_host_is_one_host() {
    let hosts = |hosts: &str| format!("GET / HTTP/1.1\r\n{hosts}\r\n\r\n{SMUGGLED}");
    let mut cases = Vec::new();
    for host in [
        "Host: a\r\nHOST: a",
        "Host: a\r\nX: y\r\nHost: b",
        "Host:",
        "Host: \t",
        "Host: a, b",
        "Host: a\tb",
        "Host: a:80:80",
        "Host: a:+80",
        "Host: a: 80",
        "Host: a :80",
        "Host: a:0x50",
        "Host: :80",
        "Host: @",
        "Host: u@a",
        "Host: a@",
        "Host: a/",
        "Host: /",
        "Host: a?b",
        "Host: a#b",
        "Host: a\\b",
        "Host: //a",
        "Host: http://a/",
        "Host: a%00",
        "Host: a%2eb",
        "Host: \u{e4}",
        "Host: a\u{a0}",
        "Host: a\0",
        "Host: \"a\"",
        "Host: <a>",
        "Host: {a}",
        "Host: a|b",
        "Host: a^b",
        "Host: ::1",
        "Host: [::1",
        "Host: ::1]",
        "Host: [::1]a",
        "Host: [::1]80",
        "Host: [::g]",
        "Host: [::1%25lo]",
        "Host: [127.0.0.1]",
        "Host: []",
        "Host : a",
        "Host\r\n: a",
        " Host: a",
        "X: y",
        "Hos\u{17f}t: a",
    ] {
        cases.push(refused(400, hosts(host)));
    }
    cases.push(refused(
        400,
        format!("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n{SMUGGLED}"),
    ));
    cases.push(refused(400, "GET / HTTP/1.0\r\nHost:\r\n\r\n"));
    cases.push(refused(400, "GET http://b/ HTTP/1.0\r\nHost: a\r\n\r\n"));
    cases.push(case(
        "GET http://b/ HTTP/1.0\r\n\r\n",
        &[200],
        false,
        &["GET http://b/"],
    ));
    cases.push(refused(400, "GET http://b/ HTTP/1.1\r\n\r\n"));
    for host in [
        "Host: a.",
        "Host: a:",
        "Host: 127.0.0.1",
        "Host: xn--a-b.c",
        "Host: [2001:db8::1]:443",
    ] {
        cases.push(case(
            format!("GET / HTTP/1.1\r\n{host}\r\n\r\n"),
            &[200],
            true,
            &["GET /"],
        ));
    }
    check(&cases);
}

#[test]
fn a_first_line_is_three_words_with_single_spaces() {
    let mut cases = Vec::new();
    for line in [
        "GET /\u{a0}HTTP/1.1",
        "GET\u{b}/ HTTP/1.1",
        "GET /\u{c}HTTP/1.1",
        "GET\0/ HTTP/1.1",
        "GET /\rHTTP/1.1",
        "GET / HTTP/1.1\r",
        "\u{feff}GET / HTTP/1.1",
        "\tGET / HTTP/1.1",
        "\u{0}GET / HTTP/1.1",
        "GET / HTTP/1.1 x",
        "GET / x HTTP/1.1",
        "GET HTTP/1.1",
        "GET",
        "/ HTTP/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/.1",
        "GET / HTTP/01.1",
        "GET / HTTP/1.01",
        "GET / HTTP/1,1",
        "GET / HTTP/-1.1",
        "GET / HTTP/+1.1",
        "GET / HTTP/1.1,HTTP/1.0",
        "GET / Http/1.1",
        "GET / HTTPS/1.1",
        "GET / HTTP/1.1/",
        "GET / HTTP//1.1",
        "GET / HTTP /1.1",
        "GET: / HTTP/1.1",
        "\"GET\" / HTTP/1.1",
        "G\u{c9}T / HTTP/1.1",
        "GET,POST / HTTP/1.1",
        "HTTP/1.1 200 OK",
        "GET / ",
    ] {
        cases.push(refused(400, format!("{line}\r\nHost: a\r\n\r\n{SMUGGLED}")));
    }
    for version in ["0.9", "1.2", "1.9", "2.0", "3.0", "9.9", "0.0"] {
        cases.push(refused(
            505,
            format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n{SMUGGLED}"),
        ));
    }
    cases.push(refused(400, "GET /\r\n"));
    cases.push(refused(400, "GET /\r\nHost: a\r\n\r\n"));
    cases.push(refused(400, "\r\n".repeat(3)));
    // A client waits for the rest, and is not waited for longer than for a head.
    cases.push(refused(408, "GET / HTTP/1.1\r\nHost: a\r\n"));
    cases.push(refused(408, "GET / HTTP/1.1\r\nHost: a\r\n\r"));
    cases.push(refused(408, "GET"));
    cases.push(refused(408, "P"));
    cases.push(refused(408, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"));
    check(&cases);
}
