//! Which characters of a text a terminal must not see, and what is printed in their place.
//!
//! A terminal obeys control characters: the old ones below U+0020, and those from U+0080 to U+009F, of which U+009B
//! begins a command as ESC and `[` do. Characters that turn the direction of writing, or that nobody sees, make a
//! text look like another one.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether `c` controls a terminal, turns the direction of writing, or is invisible.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` on one line: every harmful character is written as in Rust's string literals, `\n` or `\u{1b}`. What is
/// escaped already stays as it is.
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, is_harmful, |out, c| out.extend(c.escape_default()))
}

/// `text` with its line breaks and tabs; `keep` are further characters that stay.
pub fn escaped_lines(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |c: char| is_harmful(c) && c != '\n' && c != '\t' && !keep(c);
    replaced(text, bad, |out, c| out.extend(c.escape_default()))
}

/// JSON text with the same content, in which no harmful character stands as itself. JSON allows these characters
/// inside strings only, where the escape means the same; line breaks between its values stay.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    replaced(
        json,
        |c| is_harmful(c) && c != '\n',
        |out, c| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

fn replaced(text: &str, bad: impl Fn(char) -> bool, replace: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(&bad) else { return Cow::Borrowed(text) };
    let (good, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(good);
    for c in rest.chars() {
        if bad(c) { replace(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a\u{1b}]0;PWNED\u{7}\u{9b}2J\r\n\u{202e}b\u{e0041}";

    #[test]
    fn nothing_reaches_a_terminal_as_itself() {
        let one_line = escaped(EVIL);
        assert_eq!(one_line, r"a\u{1b}]0;PWNED\u{7}\u{9b}2J\r\n\u{202e}b\u{e0041}");
        assert!(!one_line.chars().any(is_harmful));
        assert_eq!(escaped(&one_line), one_line);
        assert!(escaped_lines(EVIL, |_| false).contains("\\r\n"));
        assert!(matches!(escaped("µs ≤ 5 %, naïve 模型"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_the_same_as_before() {
        let json = serde_json::to_string_pretty(&[EVIL, "ä"]).unwrap();
        let safe = escaped_json(&json);
        assert!(!safe.chars().any(|c| is_harmful(c) && c != '\n'), "{safe}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), [EVIL, "ä"]);
    }
}
