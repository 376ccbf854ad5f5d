//! Rust source without what only people read.

/// The source with every comment, string and character replaced by blanks. Lines stay where they are.
pub(super) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest, before).unwrap_or(0).min(rest.len());
        if length == 0 {
            code.push(first);
            before = Some(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        } else {
            let (blank, after) = rest.split_at(length);
            code.extend(blank.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            before = None;
            rest = after;
        }
    }
    code
}

/// How long the comment or literal is that begins here, if one does.
fn blank_length(rest: &str, before: Option<char>) -> Option<usize> {
    let begins_word =
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_') || matches!(before, Some('b' | 'c'));
    match rest.as_bytes() {
        [b'/', b'/', ..] => Some(rest.find('\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(comment_length(rest)),
        [b'"', ..] => Some(string_length(rest)),
        [b'r', b'"' | b'#', ..] if begins_word => raw_string_length(rest),
        [b'\'', ..] => character_length(rest),
        _ => None,
    }
}

/// Block comments nest.
fn comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string_length(rest: &str) -> Option<usize> {
    let inside = rest.get(1..)?;
    let content = inside.trim_start_matches('#').strip_prefix('"')?;
    let hashes = inside.len() - content.len() - 1;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = content.find(&end).map_or(content.len(), |at| at + end.len());
    Some(1 + hashes + 1 + length)
}

/// A character, but not a lifetime: that has no quote behind it.
fn character_length(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first == '\\' {
        characters.next()?;
        return characters.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    characters
        .next()
        .filter(|(_, c)| *c == '\'')
        .map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::code_of;

    #[test]
    fn only_code_stays() {
        let table = [
            ("a // b", "a     "),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("b\"c", d)"#, r#"f(      , d)"#),
            ("g(r#\"b\"c\"#, d)", "g(        , d)"),
            ("h(b'\\'', 'x')", "h(b    ,    )"),
            ("fn i<'a>(x: &'a u8)", "fn i<'a>(x: &'a u8)"),
            ("r#type", "r#type"),
            ("a /* b\nc */ d", "a     \n     d"),
        ];
        for (source, code) in table {
            assert_eq!(code_of(source), code, "{source}");
        }
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["/* a", "\"a", "r#\"a", "'\\", "'", "r#", "/*ü"] {
            assert_eq!(code_of(source).lines().count(), 1, "{source}");
        }
    }
}
