//! Times, sizes and names as people read them.

/// Longest name in a table, in characters.
const NAME_CHARS_MAX: usize = 40;

/// `850ms`, `7.3s`, `4m 12s`, `2h 05m`, `3d 04h`.
pub(super) fn time(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms}ms"),
        1..60 => format!("{}.{}s", s, ms % 1000 / 100),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {:02}h", s / 86_400, s % 86_400 / 3600),
    }
}

/// `512 B`, `1.5 KiB`, `64.0 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(6);
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

/// `1 engine`, `2 engines`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A name from elsewhere, with nothing in it that moves a cursor, changes a colour or breaks a line.
pub(super) fn harmless(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A function's name, short enough for a table: its end says more than its beginning.
pub(super) fn short_name(name: &str) -> String {
    let name = harmless(name);
    let too_many = name.chars().count().saturating_sub(NAME_CHARS_MAX);
    if too_many == 0 {
        return name;
    }
    let end: String = name.chars().skip(too_many + 1).collect();
    format!("…{end}")
}

/// The end of a job's id, which is its random part: the beginning is a time, and alike for many.
pub(super) fn short_id(id: &str) -> String {
    let id = harmless(id);
    id.rsplit('-').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_well() {
        let times =
            [0, 999, 1000, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 100 * 3_600_000, u64::MAX];
        insta::assert_snapshot!(times.map(time).join(" | "), @"0ms | 999ms | 1.0s | 59.9s | 1m 00s | 59m 59s | 1h 00m | 23h 59m | 4d 04h | 213503982334d 14h");
        let sizes = [0, 1023, 1024, 1536, (1 << 20) - 1, 64 << 20, u64::MAX];
        insta::assert_snapshot!(sizes.map(bytes).join(" | "), @"0 B | 1023 B | 1.0 KiB | 1.5 KiB | 1023.9 KiB | 64.0 MiB | 15.9 EiB");
    }

    #[test]
    fn names_are_short_and_harmless() {
        let long = format!("{}é::sum", "x".repeat(60));
        assert_eq!(short_name(&long).chars().count(), NAME_CHARS_MAX);
        assert!(short_name(&long).ends_with("xé::sum"));
        assert_eq!(short_name("main::get_sum"), "main::get_sum");
        assert_eq!(harmless("a\x1b[31m\tb\n"), "a\u{fffd}[31m\u{fffd}b\u{fffd}");
        assert_eq!(short_id("01890a5d-ac96-774b-bcce-b302099a8057"), "b302099a8057");
        assert_eq!(short_id(""), "");
    }
}
