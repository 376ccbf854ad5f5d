//! Which known word somebody probably meant.

/// Longer words are no typing mistakes, and comparing takes time in the product of lengths.
const LENGTH_MAX: usize = 64;

/// The known word that is nearest to what was written, if it is near enough to have been meant.
pub(crate) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if written.len() > LENGTH_MAX {
        return None;
    }
    let simple = simplified(written);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&simple, &simplified(word)), word))
        .filter(|(distance, word)| *distance <= (word.len().min(written.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `cpu_time`, `cpuTime` and `CPU-Time` all mean `cpu-time`, and so does its plural.
fn simplified(word: &str) -> String {
    let mut simple = String::new();
    for c in word.chars().take(LENGTH_MAX) {
        match c {
            '_' | ' ' => simple.push('-'),
            c if c.is_ascii_uppercase() => {
                if !simple.is_empty()
                    && !simple.ends_with('-')
                    && word.chars().any(|c| c.is_ascii_lowercase())
                {
                    simple.push('-');
                }
                simple.push(c.to_ascii_lowercase());
            }
            c => simple.push(c),
        }
    }
    simple
}

/// `` `a`, `b` and `c` ``, cut where there are many.
pub(crate) fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    join(words, "and")
}

/// `` `a`, `b` or `c` ``, cut where there are many.
pub(crate) fn choice<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    join(words, "or")
}

fn join<'w>(words: impl IntoIterator<Item = &'w str>, conjunction: &str) -> String {
    const SHOWN_MAX: usize = 16;
    let words: Vec<&str> = words.into_iter().collect();
    if words.len() > SHOWN_MAX {
        let shown: Vec<String> = words
            .iter()
            .take(SHOWN_MAX)
            .map(|word| format!("`{word}`"))
            .collect();
        return format!(
            "{} {conjunction} {} more",
            shown.join(", "),
            words.len() - SHOWN_MAX
        );
    }
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => format!("`{last}`"),
        Some((last, rest)) => {
            let rest: Vec<String> = rest.iter().map(|word| format!("`{word}`")).collect();
            format!("{} {conjunction} `{last}`", rest.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_finds_its_word() {
        let known = ["dir", "env", "tcp", "tcp-listen", "cpu-time", "grants"];
        for (written, meant) in [
            ("dirs", Some("dir")),
            ("grant", Some("grants")),
            ("cpu_time", Some("cpu-time")),
            ("cpuTime", Some("cpu-time")),
            ("tcp-lisen", Some("tcp-listen")),
            ("evn", Some("env")),
            ("x", None),
            ("filesystem", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
        assert_eq!(nearest(&"d".repeat(1000), known), None);
    }

    #[test]
    fn a_list_reads_as_a_sentence() {
        assert_eq!(list([]), "nothing");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        assert!(list(["a"; 20]).ends_with("and 4 more"));
    }
}
