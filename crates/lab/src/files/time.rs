//! Time stamps as files hold them.

/// `seconds` since 1970-01-01T00:00:00Z as RFC 3339 in UTC.
pub fn rfc3339(seconds: u64) -> String {
    // Civil date from days, counting years from March so that the leap day comes last.
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Whether `text` is a day (`2026-03-01`) or a moment (`2026-03-01T12:00:00Z`, also with fractions and `+02:00`) as RFC 3339
/// writes them.
pub fn is_date(text: &str) -> bool {
    let (day, moment) = match text.split_once(['T', 't', ' ']) {
        Some((day, moment)) => (day, Some(moment)),
        None => (text, None),
    };
    is_day(day) && moment.is_none_or(is_moment)
}

/// The numbers of `text`, which are so many digits wide and have `separator` between them.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| digits)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn is_day(text: &str) -> bool {
    let Some([year, month, day]) = numbers(text, '-', [4, 2, 2]) else { return false };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Whether `text` is a time of day with its zone.
fn is_moment(text: &str) -> bool {
    let Some(zone) = text.find(['Z', 'z', '+', '-']) else { return false };
    let (time, zone) = text.split_at(zone);
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, f)| (time, Some(f)));
    let clock = numbers(time, ':', [2, 2, 2]);
    // A minute may have a leap second.
    let clock = clock.is_some_and(|[hour, minute, second]| hour < 24 && minute < 60 && second <= 60);
    let fraction = fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|byte| byte.is_ascii_digit()));
    let offset = || numbers(&zone[1..], ':', [2, 2]).is_some_and(|[hour, minute]| hour < 24 && minute < 60);
    clock && fraction && (zone.eq_ignore_ascii_case("z") || offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_dates_and_words_are_not() {
        for good in [
            "2026-03-01",
            "2024-02-29",
            "2000-02-29T23:59:60Z",
            "1970-01-01t00:00:00.25+02:00",
            &rfc3339(951_782_400),
        ] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "",
            "yesterday",
            "2026",
            "2026-3-1",
            "2026-13-01",
            "2026-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-04-00",
            "01.03.2026",
            "2026-03-01T",
            "2026-03-01T12:00",
            "2026-03-01T12:00:00",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00Zulu",
            "2026-03-01T12:00:00+2",
            "2026-03-01Z",
            "+026-03-01",
            "２０２６-03-01",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_735_689_599), "2024-12-31T23:59:59Z");
    }
}
