//! Which names a profile may have: they become directory names, so they are kept harmless.

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Says what is wrong with `name`, if anything is.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("it is longer than 64 bytes");
    }
    if name.starts_with('.') {
        return Err("it starts with a dot");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err("it holds something other than letters, digits, `-`, `_` and `.`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn ordinary_names_pass() {
        for name in ["nbserver", "a", "run-2.1_b", "0", &"x".repeat(64)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_could_leave_the_directory_or_hide_do_not() {
        for name in ["", ".", "..", ".hidden", "a/b", "../up", "a b", "a\0b", "é", "a\n", &"x".repeat(65)] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }
}
