//! Text as words of a shell.

/// `text` as one word of a POSIX shell, whatever it holds. Bytes of value 0, which no command can contain, are left out.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "'\\''"))
}

/// Whether `name` can be the name of a shell's variable.
pub fn is_variable(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.len() <= 200 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole() {
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word("a\0; id"), "'a; id'");
        assert_eq!(shell_word("$(id) `id` \"x\""), "'$(id) `id` \"x\"'");
    }

    #[test]
    fn variables_have_plain_names() {
        assert!(is_variable("LD_LIBRARY_PATH") && is_variable("_x1"));
        for bad in ["", "1x", "a b", "a=b", "x;id", "ä", "a-b"] {
            assert!(!is_variable(bad), "{bad}");
        }
    }
}
