//! Which route answers a request.

use http::{HeaderValue, Method};
use weft_app::trigger::http::Route;

/// Routes in the order in which they are asked: the most specific host first, then the most specific path, then
/// those for some methods before those for all.
#[derive(Debug)]
pub(crate) struct Router {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    route: Route,
    methods: Vec<Method>,
    /// Its place in the order of the app.
    number: usize,
}

/// Who answers.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// This route, with its place in the order of the app.
    Route(usize, &'a Route),
    /// A route has the path, but none of those that have it has the method.
    OtherMethods(HeaderValue),
    /// No route has the path.
    Nothing,
}

impl Router {
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        let mut entries: Vec<Entry> = routes.into_iter().enumerate().flat_map(Entry::by_host).collect();
        entries.sort_by(|one, other| {
            other
                .host_rank()
                .cmp(&one.host_rank())
                .then_with(|| other.route.path.compare_specificity(&one.route.path))
                .then_with(|| one.methods.is_empty().cmp(&other.methods.is_empty()))
                .then_with(|| one.number.cmp(&other.number))
        });
        Self { entries }
    }

    pub(crate) fn find(&self, host: &str, path: &str, method: &Method) -> Found<'_> {
        let mut others: Vec<&str> = Vec::new();
        for entry in &self.entries {
            if !entry.has_host(host) || !entry.route.path.matches(path) {
                continue;
            }
            if entry.methods.is_empty() || entry.methods.contains(method) {
                return Found::Route(entry.number, &entry.route);
            }
            others.extend(entry.methods.iter().map(Method::as_str));
        }
        if others.is_empty() {
            return Found::Nothing;
        }
        others.sort_unstable();
        others.dedup();
        let allow = HeaderValue::from_str(&others.join(", ")).unwrap_or(HeaderValue::from_static(""));
        Found::OtherMethods(allow)
    }
}

impl Entry {
    /// A route for several hosts, once for each: they need not be equally specific.
    fn by_host((number, route): (usize, Route)) -> Vec<Self> {
        let methods: Vec<Method> = route
            .methods
            .iter()
            .filter_map(|method| Method::from_bytes(method.as_bytes()).ok())
            .collect();
        let entry = |hosts| Self {
            route: Route {
                hosts,
                ..route.clone()
            },
            methods: methods.clone(),
            number,
        };
        if route.hosts.is_empty() {
            return vec![entry(Vec::new())];
        }
        route.hosts.iter().map(|host| entry(vec![host.clone()])).collect()
    }

    fn has_host(&self, host: &str) -> bool {
        self.route
            .hosts
            .first()
            .is_none_or(|pattern| pattern.matches(host))
    }

    fn host_rank(&self) -> (bool, bool, usize) {
        match self.route.hosts.first() {
            Some(host) => (true, host.is_exact(), host.length()),
            None => (false, false, 0),
        }
    }
}

/// Routes that could never be chosen as they are meant.
pub(crate) fn first_bad_method(routes: &[Route]) -> Option<&str> {
    routes
        .iter()
        .flat_map(|route| &route.methods)
        .find(|method| Method::from_bytes(method.as_bytes()).is_err())
        .map(String::as_str)
}
