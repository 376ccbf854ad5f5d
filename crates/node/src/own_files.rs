//! Components that could change their own app: what they write today would be read as manifest or code tomorrow.

use std::path::{Path, PathBuf};

use weft_app::Source;
use weft_app::grant::{Access, GrantKind};
use weft_manifest::Diagnostic;

use crate::folder::Opened;

/// A warning for each directory that is granted for writing and holds the manifest or a component of the app.
pub(crate) fn warnings(opened: &Opened) -> Vec<Diagnostic> {
    let mut own = vec![("its manifest".to_owned(), opened.file.clone())];
    for component in &opened.app().components {
        if let Source::File(file) | Source::Build { file, .. } = &component.source {
            own.push((format!("component `{}`", component.name), file.clone()));
        }
    }
    // What is not there yet cannot be resolved, and is compared as it is written.
    let resolve = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let own: Vec<(String, PathBuf)> = own
        .into_iter()
        .map(|(what, path)| (what, resolve(&path)))
        .collect();
    let mut warnings = Vec::new();
    for component in &opened.app().components {
        for grant in &component.grants.directories {
            let folder = resolve(&grant.host);
            let held = own.iter().find(|(_, path)| path.starts_with(&folder));
            let (Access::ReadWrite, Some((what, _))) = (grant.access, held) else {
                continue;
            };
            let message = format!(
                "component `{}` may write to `{}`, and so change the app itself: {what} lies there",
                component.name,
                grant.host.display()
            );
            let place = opened
                .manifest
                .positions
                .grant(&component.name, GrantKind::Directories);
            let hint = "grant a folder that holds nothing of the app, or leave out `:rw`";
            warnings.push(Diagnostic::warning(message).at(place).hint(hint));
        }
    }
    warnings
}
