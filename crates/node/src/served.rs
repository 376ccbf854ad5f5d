//! Files of the host that a served app needs beside its components.

use std::path::Path;

use weft_app::Trigger;
use weft_app::trigger::http::{RouteTarget, TlsFiles};
use weft_manifest::{Diagnostic, KeyPath, Position};

use crate::folder::Opened;

/// Folders, certificates and keys that the manifest names and that are not there, each with its place.
pub(crate) fn missing_files(opened: &Opened) -> Vec<Diagnostic> {
    let positions = &opened.manifest.positions;
    let mut missing = Vec::new();
    let triggers = opened.app().triggers.iter();
    let served = triggers.filter_map(|trigger| match trigger {
        Trigger::Http(http) => Some(http),
        Trigger::Command { .. } | Trigger::Messages(_) | Trigger::KeyValue(_) | Trigger::Schedule(_) => None,
    });
    for http in served {
        for (index, listener) in http.listeners.iter().enumerate() {
            let Some(TlsFiles { certificate, key }) = &listener.tls else {
                continue;
            };
            for (name, file) in [("certificate", certificate), ("key", key)] {
                let place = || positions.listener_file(index, name);
                missing.extend(is_missing(file, Path::is_file, "file").map(|wrong| wrong.at(place())));
            }
        }
        for route in &http.routes {
            if let RouteTarget::Files(folder) = &route.target {
                let place = || files_of(opened, route.name.as_str());
                missing.extend(is_missing(folder, Path::is_dir, "folder").map(|wrong| wrong.at(place())));
            }
        }
    }
    missing
}

fn files_of(opened: &Opened, route: &str) -> Option<Position> {
    let path = KeyPath::of(["trigger", "http", "route", route, "files"]);
    opened.manifest.positions.of_value(&path)
}

fn is_missing(path: &Path, is_it: fn(&Path) -> bool, what: &str) -> Option<Diagnostic> {
    if is_it(path) {
        return None;
    }
    let shown = path.display();
    Some(Diagnostic::error(match path.exists() {
        true => format!("`{shown}` is no {what}"),
        false => format!("there is no {what} `{shown}`"),
    }))
}
