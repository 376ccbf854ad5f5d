//! Whether what the app depends on works: stores, queues, whatever else somebody looks after and tells of here.

use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;

/// What is known of the parts that an app depends on. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Vec<Part>>>);

/// Something that the app depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is, in a word, such as `store`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What is wrong with it, for whoever runs the server; nothing where it works.
    pub problem: Option<String>,
}

impl Health {
    /// Replaces what is known.
    pub fn set(&self, parts: Vec<Part>) {
        *self.0.lock() = parts;
    }

    /// Whether everything works, and a line for each part.
    pub(crate) fn page(&self) -> (bool, String) {
        let parts = self.0.lock();
        let mut text = String::new();
        for Part { kind, name, problem } in &*parts {
            let told = problem.as_deref().unwrap_or("works").replace('\n', " ");
            let _ = writeln!(text, "{kind} {name}: {told}");
        }
        if text.is_empty() {
            text.push_str("the app depends on nothing else\n");
        }
        (parts.iter().all(|part| part.problem.is_none()), text)
    }

    /// The same as numbers.
    pub(crate) fn numbers(&self) -> String {
        let parts = self.0.lock();
        let mut text = String::new();
        if !parts.is_empty() {
            text.push_str("# HELP weft_part_up Whether something that the app depends on works.\n");
            text.push_str("# TYPE weft_part_up gauge\n");
        }
        for Part { kind, name, problem } in &*parts {
            let is_up = u8::from(problem.is_none());
            let _ = writeln!(text, "weft_part_up{{kind=\"{kind}\",name=\"{name}\"}} {is_up}");
        }
        text
    }
}
