//! Files and folders.

use wasip3::filesystem::preopens;
use wasip3::filesystem::types::{Descriptor, DescriptorFlags, DescriptorType, OpenFlags, PathFlags};
use wasip3::wit_bindgen::StreamResult;

use crate::{Answer, Failure, refused, streams};

pub(crate) async fn read(path: &str) -> Answer {
    let file = open(path, OpenFlags::empty(), DescriptorFlags::READ).await?;
    let (stream, ended) = file.read_via_stream(0);
    let bytes = streams::read_to_end(stream).await;
    ended.await.map_err(refused)?;
    Ok(format!(
        "{} bytes: {:?}",
        bytes.len(),
        String::from_utf8_lossy(&bytes)
    ))
}

pub(crate) async fn write(path: &str, text: &str) -> Answer {
    let file = open(
        path,
        OpenFlags::CREATE | OpenFlags::TRUNCATE,
        DescriptorFlags::WRITE,
    )
    .await?;
    file.write_via_stream(streams::of(text.as_bytes().to_vec()), 0)
        .await
        .map_err(refused)?;
    Ok(format!("{} bytes", text.len()))
}

/// Names in a folder, sorted, folders with a slash behind them.
pub(crate) async fn list(path: &str) -> Answer {
    let folder = open(path, OpenFlags::DIRECTORY, DescriptorFlags::READ).await?;
    let (mut stream, ended) = folder.read_directory();
    let mut names = Vec::new();
    loop {
        let (result, entries) = stream.read(Vec::with_capacity(64)).await;
        names.extend(entries.into_iter().map(|entry| {
            let slash = if matches!(entry.type_, DescriptorType::Directory) {
                "/"
            } else {
                ""
            };
            format!("{}{slash}", entry.name)
        }));
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    ended.await.map_err(refused)?;
    names.sort();
    Ok(format!("{} entries: {names:?}", names.len()))
}

pub(crate) async fn stat(path: &str) -> Answer {
    let (folder, rest) = preopened(path)?;
    let stat = folder.stat_at(PathFlags::empty(), rest).await.map_err(refused)?;
    Ok(format!("{:?} of {} bytes", stat.type_, stat.size))
}

pub(crate) async fn remove(path: &str) -> Answer {
    let (folder, rest) = preopened(path)?;
    folder.unlink_file_at(rest).await.map_err(refused)?;
    Ok("removed".into())
}

async fn open(path: &str, how: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, Failure> {
    let (folder, rest) = preopened(path)?;
    folder
        .open_at(PathFlags::SYMLINK_FOLLOW, rest, how, flags)
        .await
        .map_err(refused)
}

/// The granted folder that a path lies in, the innermost where there are several, and the path from there on.
fn preopened(path: &str) -> Result<(Descriptor, String), Failure> {
    let within = |name: &str| {
        let name = name.trim_end_matches('/');
        let rest = path.strip_prefix(name)?;
        if !rest.is_empty() && !rest.starts_with('/') && !name.is_empty() {
            return None;
        }
        Some(rest.trim_start_matches('/').to_string())
    };
    let relative = |name: &str| {
        if name == "." {
            Some(path.to_string())
        } else {
            within(name)
        }
    };
    let mut found: Vec<(usize, Descriptor, String)> = preopens::get_directories()
        .into_iter()
        .filter_map(|(folder, name)| relative(&name).map(|rest| (name.len(), folder, rest)))
        .collect();
    found.sort_by_key(|(length, _, _)| *length);
    let (_, folder, rest) = found
        .pop()
        .ok_or_else(|| Failure::Refused(format!("no granted folder holds `{path}`")))?;
    Ok((folder, if rest.is_empty() { ".".into() } else { rest }))
}
