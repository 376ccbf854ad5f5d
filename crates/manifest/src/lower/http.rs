//! Serving HTTP: where an app listens, and who answers which request.

use std::ops::Range;

use weft_app::trigger::http::{
    AccessLog, HttpLimits, HttpTrigger, ListenAddress, Listener, ProxyProtocol, Route, RouteTarget, TlsFiles,
};

use super::values::{self, Text};
use super::{Lowering, limits, refused};
use crate::bounds::{ENTRIES_MAX, METHODS_MAX, ROUTES_MAX};
use crate::diagnostic::quote;
use crate::document::{Entry, Node, Table, Value};
use crate::problems::Problem;

/// A route and where it stands, where what it says can be read.
struct Placed<'t> {
    route: Route,
    entry: &'t Entry,
}

impl Lowering<'_> {
    pub(super) fn http_trigger(&mut self, table: &Table) -> HttpTrigger {
        let limits = self.http_limits(table);
        let listeners = self.listeners(table);
        HttpTrigger {
            admin: self.admin(table, &listeners),
            listeners,
            routes: self.routes(table, &limits),
            limits,
            access_log: access_log(table),
        }
    }

    fn listeners(&mut self, table: &Table) -> Vec<Listener> {
        let nodes: &[Node] = match table.node("listen") {
            None => return vec![Listener::local()],
            Some(Node {
                value: Value::List(items),
                span,
            }) => {
                if items.is_empty() {
                    let message = "an empty list: the app would listen nowhere";
                    self.problems.push(Problem::error(message).at(span));
                }
                items
            }
            Some(node) => std::slice::from_ref(node),
        };
        let mut placed: Vec<(Listener, &Range<usize>)> = Vec::new();
        for node in nodes.iter().take(ENTRIES_MAX) {
            let Some((listener, span)) = self.listener(node) else {
                continue;
            };
            let same = placed
                .iter()
                .find(|(other, _)| are_one(&other.address, &listener.address));
            if let Some((_, first)) = same {
                self.listens_twice(&listener.address, span, first);
            }
            placed.push((listener, span));
        }
        placed.into_iter().map(|(listener, _)| listener).collect()
    }

    fn listens_twice(&mut self, address: &ListenAddress, span: &Range<usize>, first: &Range<usize>) {
        let message = format!("`{address}` is listened on twice");
        self.problems
            .push(Problem::error(message).at(span).note("first here", first));
    }

    fn listener<'t>(&mut self, node: &'t Node) -> Option<(Listener, &'t Range<usize>)> {
        let (text, tls, proxy_protocol) = match &node.value {
            Value::Text(text) => ((text.as_str(), &node.span), None, ProxyProtocol::Off),
            Value::Table(table) => {
                let tls = self.tls(table);
                let proxy = match table.node("proxy-protocol").map(|node| &node.value) {
                    Some(Value::Boolean(true)) => ProxyProtocol::Required,
                    _ => ProxyProtocol::Off,
                };
                (values::text(table, "address")?, tls, proxy)
            }
            _ => return None,
        };
        let listener = Listener {
            address: self.listen_address(text)?,
            tls,
            proxy_protocol,
        };
        Some((listener, text.1))
    }

    fn listen_address(&mut self, text: Text<'_>) -> Option<ListenAddress> {
        match text.0.parse() {
            Ok(ListenAddress::Unix(path)) => Some(ListenAddress::Unix(self.context.folder.join(path))),
            Ok(address) => Some(address),
            Err(error) => {
                let problem = refused(error, text.1).hint_maybe(address_hint(text.0));
                self.problems.push_unless_told(problem);
                None
            }
        }
    }

    fn tls(&mut self, table: &Table) -> Option<TlsFiles> {
        let (certificate, key) = match (table.get("certificate"), table.get("key")) {
            (None, None) => return None,
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(lonely), None) => {
                return self.tls_half(
                    lonely,
                    "a certificate needs its private key: add `key = \"key.pem\"`",
                );
            }
            (None, Some(lonely)) => {
                return self.tls_half(
                    lonely,
                    "a key needs its certificate: add `certificate = \"cert.pem\"`",
                );
            }
        };
        Some(TlsFiles {
            certificate: self.path(values::text_of(&certificate.node)?)?,
            key: self.path(values::text_of(&key.node)?)?,
        })
    }

    fn tls_half(&mut self, lonely: &Entry, message: &str) -> Option<TlsFiles> {
        self.problems.push(Problem::error(message).at(&lonely.key_span));
        None
    }

    fn admin(&mut self, table: &Table, listeners: &[Listener]) -> Option<ListenAddress> {
        let text = values::text(table, "admin")?;
        let address = self.listen_address(text)?;
        if listeners
            .iter()
            .any(|listener| are_one(&listener.address, &address))
        {
            let message = format!("`{address}` is where the app listens");
            let hint = "give `admin` a port of its own: clients of the app must not reach it";
            self.problems.push(Problem::error(message).at(text.1).hint(hint));
        }
        Some(address)
    }

    fn routes(&mut self, table: &Table, limits: &HttpLimits) -> Vec<Route> {
        let routes = table.get("route");
        if let (Some(component), Some(routes)) = (table.get("component"), routes) {
            let message = "`component` answers everything, and there are routes as well";
            let problem = Problem::error(message).at(&component.key_span);
            let problem = problem.note("the routes", &routes.key_span);
            self.problems.push(
                problem.hint("write it as a route: `[trigger.http.route.rest]` with `component` under it"),
            );
        }
        if let Some((name, span)) = values::text(table, "component") {
            let component = self.known_component(name, span);
            return component.iter().map(Route::everything).collect();
        }
        let Some(Value::Table(all)) = routes.map(|entry| &entry.node.value) else {
            return Vec::new();
        };
        if all.entries().is_empty()
            && let Some(routes) = routes
        {
            self.problems
                .push(Problem::error("there is no route: nobody would answer").at(&routes.key_span));
        }
        let placed: Vec<Placed<'_>> = all
            .entries()
            .iter()
            .take(ROUTES_MAX)
            .filter_map(|entry| self.route(entry, limits))
            .collect();
        self.tell_rivals(&placed);
        placed.into_iter().map(|placed| placed.route).collect()
    }

    fn route<'t>(&mut self, entry: &'t Entry, limits: &HttpLimits) -> Option<Placed<'t>> {
        let Value::Table(table) = &entry.node.value else {
            return None;
        };
        let name = entry
            .key
            .parse()
            .map_err(|error| self.refuse_name(error, &entry.key, &entry.key_span))
            .ok();
        let path = match values::text(table, "path") {
            None => Some(weft_app::trigger::http::PathPattern::everything()),
            Some(text) => self.pattern_of(text),
        };
        let hosts = values::texts(table, "hosts");
        let hosts = hosts
            .into_iter()
            .filter_map(|text| self.pattern_of(text))
            .collect();
        let target = self.target(entry, table);
        let methods = self.methods(table, target.as_ref());
        let (requests_max, response_timeout) = self.route_limits(table, limits);
        let route = Route {
            name: name?,
            path: path?,
            hosts,
            methods,
            target: target?,
            requests_max,
            response_timeout,
        };
        if let Some((text, span)) = values::text(table, "path") {
            self.warn_of_dots(text, span);
        }
        Some(Placed { route, entry })
    }

    fn pattern_of<T>(&mut self, (text, span): Text<'_>) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let parsed = text.parse();
        parsed
            .map_err(|error| self.problems.push_unless_told(refused(error, span)))
            .ok()
    }

    fn target(&mut self, entry: &Entry, table: &Table) -> Option<RouteTarget> {
        match (table.get("component"), table.get("files")) {
            (Some(component), None) => {
                let (name, span) = values::text_of(&component.node)?;
                self.known_component(name, span).map(RouteTarget::Component)
            }
            (None, Some(files)) => self.path(values::text_of(&files.node)?).map(RouteTarget::Files),
            (Some(component), Some(files)) => {
                let message = "a route is answered by a component or by files, not by both";
                let problem = Problem::error(message).at(&files.key_span);
                self.problems
                    .push(problem.note("the component", &component.key_span));
                None
            }
            (None, None) => {
                let message = format!("route {} does not say who answers", quote(&entry.key));
                let problem = Problem::error(message).at(&entry.key_span);
                self.problems
                    .push(problem.hint("add `component = \"main\"` or `files = \"public\"`"));
                None
            }
        }
    }

    fn methods(&mut self, table: &Table, target: Option<&RouteTarget>) -> Vec<String> {
        let mut methods: Vec<String> = Vec::new();
        let texts = values::texts(table, "methods");
        if let Some(entry) = table.get("methods").filter(|_| texts.len() > METHODS_MAX) {
            let message = format!("{} methods, more than the {METHODS_MAX} allowed", texts.len());
            self.problems.push(Problem::error(message).at(&entry.node.span));
        }
        for (method, span) in texts.into_iter().take(METHODS_MAX) {
            if !is_method(method) {
                let upper = method.to_ascii_uppercase();
                let hint = is_method(&upper).then(|| format!("methods are in capitals: `{upper}`"));
                let message = format!("{} is not a method", quote(method));
                self.problems
                    .push_unless_told(Problem::error(message).at(span).hint_maybe(hint));
                continue;
            }
            if matches!(target, Some(RouteTarget::Files(_))) && !["GET", "HEAD"].contains(&method) {
                let message = format!("files answer `GET` and `HEAD`, not `{method}`");
                self.problems.push(Problem::error(message).at(span));
            }
            methods.push(method.to_owned());
        }
        methods
    }

    fn route_limits(
        &mut self,
        table: &Table,
        limits: &HttpLimits,
    ) -> (Option<usize>, Option<std::time::Duration>) {
        let (mut requests, mut timeout) = (limits.requests_max, limits.response_timeout);
        self.read(table, "requests", &mut requests, limits::parse_at_a_time);
        self.read(table, "response-timeout", &mut timeout, limits::parse_time);
        if let Some(node) = table.node("requests").filter(|_| requests > limits.requests_max) {
            let message = format!(
                "all routes together have {} requests at a time, so this bound is never reached",
                limits.requests_max
            );
            self.problems.push(Problem::warning(message).at(&node.span));
        }
        if let Some(node) = table
            .node("response-timeout")
            .filter(|_| timeout > limits.total_timeout)
        {
            let message = "`total-timeout` is shorter, so this time is never reached";
            self.problems.push(Problem::warning(message).at(&node.span));
        }
        (
            table.node("requests").map(|_| requests),
            table.node("response-timeout").map(|_| timeout),
        )
    }

    /// Whoever asks takes `.` and `..` out of a path first, so such a route is never reached.
    fn warn_of_dots(&mut self, text: &str, span: &Range<usize>) {
        if text.split('/').any(|segment| [".", ".."].contains(&segment)) {
            let message = "no request has this path: clients take `.` and `..` out before they ask";
            self.problems.push(Problem::warning(message).at(span));
        }
    }

    fn tell_rivals(&mut self, placed: &[Placed<'_>]) {
        for (at, one) in placed.iter().enumerate() {
            let first = placed
                .iter()
                .take(at)
                .find(|other| other.route.rivals(&one.route));
            if let Some(first) = first {
                let message = format!(
                    "routes `{}` and `{}` match the same requests, and neither does so better",
                    first.route.name, one.route.name
                );
                self.problems.push(
                    Problem::error(message)
                        .at(&one.entry.key_span)
                        .note("the other one", &first.entry.key_span)
                        .hint("a longer path, a host or methods would make one of them the better match"),
                );
            }
        }
    }
}

fn access_log(table: &Table) -> AccessLog {
    match values::text(table, "access-log") {
        Some(("common", _)) => AccessLog::Common,
        Some(("json", _)) => AccessLog::Json,
        _ => AccessLog::Off,
    }
}

/// Whether listening on both would be listening on one place twice. Port 0 is another port each time.
fn are_one(one: &ListenAddress, other: &ListenAddress) -> bool {
    one == other && !matches!(one, ListenAddress::Tcp(address) if address.port() == 0)
}

/// The likely cure of an address that is none.
fn address_hint(text: &str) -> Option<String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if port.parse::<u16>().is_ok() {
        return Some(format!(
            "`127.0.0.1:{port}` for this machine alone, `0.0.0.0:{port}` for everybody"
        ));
    }
    let with_port = format!("{text}:8080");
    let is_place = matches!(with_port.parse(), Ok(ListenAddress::Tcp(_)));
    is_place.then(|| format!("add the port: `{with_port}`"))
}

/// A token of HTTP (RFC 9110, section 5.6.2) without small letters: methods are told apart by case, and the small
/// ones are mistakes.
fn is_method(text: &str) -> bool {
    let may_stand =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(may_stand)
}
