//! Times on the command line: how long ago, or a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{Date, Month, OffsetDateTime, Time};

const WRONG: &str = "not a time, such as 90s, 15m, 2h, 7d, 2w ago, or 2026-11-27 or 2026-11-27T10:30 (UTC)";

/// Reads a time.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    since(text.trim(), SystemTime::now()).ok_or_else(|| WRONG.to_owned())
}

fn since(text: &str, now: SystemTime) -> Option<SystemTime> {
    ago(text)
        .map_or_else(|| date(text), |ago| Some(now.checked_sub(ago).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH)))
}

fn ago(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3_600.0,
        'd' => 86_400.0,
        'w' => 604_800.0,
        _ => return None,
    };
    let number: f64 = text[..text.len() - 1].trim_end().parse().ok()?;
    Duration::try_from_secs_f64(number * unit).ok()
}

fn date(text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (day, clock) = text.split_once(['T', ' ']).unwrap_or((text, "0:00"));
    let mut parts = day.splitn(3, '-');
    let mut part = || parts.next().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, day) = (part()?.parse().ok()?, part()?.parse::<u8>().ok()?, part()?.parse().ok()?);
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let numbers: Option<Vec<u8>> = clock.split(':').map(|digits| digits.parse().ok()).collect();
    let time = match numbers?.as_slice() {
        [hour, minute] => Time::from_hms(*hour, *minute, 0),
        [hour, minute, second] => Time::from_hms(*hour, *minute, *second),
        _ => return None,
    };
    let moment = OffsetDateTime::new_utc(date, time.ok()?);
    // Before 1970 there were no jobs.
    let seconds = u64::try_from(moment.unix_timestamp()).unwrap_or(0);
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_how_long_ago_or_dates() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_750_000);
        let seconds = |text| since(text, now).map(|t| t.duration_since(UNIX_EPOCH).unwrap().as_secs_f64());
        assert_eq!(seconds("90s"), Some(1_795_749_910.0));
        assert_eq!(seconds("1.5h"), Some(1_795_744_600.0));
        assert_eq!(seconds("2w"), Some(1_794_540_400.0));
        assert_eq!(seconds("99999d"), Some(0.0));
        assert_eq!(seconds("2026-11-27"), Some(1_795_737_600.0));
        assert_eq!(seconds("2026-11-27T10:30"), Some(1_795_775_400.0));
        assert_eq!(seconds("2026-11-27 10:30:05Z"), Some(1_795_775_405.0));
        for bad in [
            "",
            "h",
            "2",
            "-2h",
            "NaNs",
            "infh",
            "yesterday",
            "2026-13-01",
            "2026-11-27T25:00",
            "2026-11",
            "2é",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
