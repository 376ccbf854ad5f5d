//! Turns `*stressed*` words, `> quotations` and `[3 repeated]` words into HTML. Somebody else wrote this, in a hurry:
//! it is small, it works on the texts that its author thought of, and it has the mistakes that such libraries have.

wit_bindgen::generate!({
    path: "../wit",
    world: "library",
});

struct Markup;
export!(Markup);

impl exports::example::preview::markup::Guest for Markup {
    fn render(text: String) -> Result<String, String> {
        if text.trim().is_empty() {
            return Err("there is nothing to show".to_owned());
        }
        Ok(text.lines().map(line).collect())
    }
}

/// Mistake: as deep as the text says, however deep that is.
fn line(text: &str) -> String {
    match text.strip_prefix('>') {
        Some(quoted) => format!("<blockquote>{}</blockquote>", line(quoted)),
        None => format!("<p>{}</p>\n", stressed(&repeated(text))),
    }
}

/// Mistake: a star that is never closed is looked for again and again.
fn stressed(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('*') {
        let Some(length) = rest[start + 1..].find('*') else {
            continue;
        };
        out.push_str(&escape(&rest[..start]));
        out.push_str(&format!("<em>{}</em>", escape(&rest[start + 1..start + 1 + length])));
        rest = &rest[start + length + 2..];
    }
    out + &escape(rest)
}

/// Mistakes: a word is repeated as often as the text says, and the first `]` is taken to come after the first `[`.
fn repeated(text: &str) -> String {
    let (Some(start), Some(end)) = (text.find('['), text.find(']')) else {
        return text.to_owned();
    };
    let inner = &text[start + 1..end];
    let Some((count, word)) = inner.split_once(' ') else {
        return text.to_owned();
    };
    let count: usize = count.parse().unwrap_or(1);
    format!("{}{}{}", &text[..start], format!("{word} ").repeat(count), &text[end + 1..])
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
