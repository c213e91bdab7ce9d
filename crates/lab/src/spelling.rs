//! What a person may have meant by a name that is not known.

use std::collections::BTreeSet;
use strsim::damerau_levenshtein;

/// Most names that are suggested.
const MOST: usize = 6;

/// Fewer characters are no beginning of a name.
const BEGINNING: usize = 3;

/// Those of `names` that are similar to `name`, the nearest first and at most six: at most a third of the characters of
/// `name` are inserted, left out, replaced or swapped, or one begins with the other. Lower and upper case are the same.
/// Nothing, where no name is similar.
pub fn similar<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let asked = name.to_lowercase();
    let most = asked.chars().count().div_ceil(3).max(1);
    let begins = |long: &str, short: &str| short.len() >= BEGINNING && long.starts_with(short);
    let mut near = BTreeSet::new();
    for known in names {
        let lower = known.to_lowercase();
        let distance = damerau_levenshtein(&asked, &lower);
        // What begins like the name stands behind what differs in a character or two.
        if distance <= most {
            near.insert((distance, known));
        } else if begins(&lower, &asked) || begins(&asked, &lower) {
            near.insert((most + distance, known));
        }
    }
    // Where one name is near, those that are half as far again are not what was meant.
    let nearest = near.first().map_or(0, |first| first.0);
    let meant = near.into_iter().filter(|(distance, _)| *distance > most || 2 * distance <= 3 * nearest);
    meant.take(MOST).map(|(_, known)| known.to_owned()).collect()
}

/// `did you mean pixel2?`, or `did you mean pixel2, pixel3 or pixel4?`; nothing where nothing is similar.
pub fn question(near: &[String]) -> Option<String> {
    let (last, others) = near.split_last()?;
    let names = if others.is_empty() { last.clone() } else { format!("{} or {last}", others.join(", ")) };
    Some(format!("did you mean {names}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: [&str; 8] = ["pixel2", "pixel3", "v100", "v100-pcie", "t4", "host", "p100", "titanx"];

    #[test]
    fn typing_mistakes_are_found() {
        let similar = |name: &str| similar(name, DEVICES);
        assert_eq!(similar("pixle2"), ["pixel2"]);
        assert_eq!(similar("pixle")[0], "pixel2");
        assert_eq!(similar("hots"), ["host"]);
        assert_eq!(similar("PIXEL2")[0], "pixel2");
        assert_eq!(similar("pixel"), ["pixel2", "pixel3"]);
        assert_eq!(similar("v100-p"), ["v100", "v100-pcie"]);
        assert_eq!(similar("t5"), ["t4"]);
    }

    #[test]
    fn nothing_is_suggested_where_nothing_is_near() {
        for far in ["iphone", "toaster", "", "q", "raspberry"] {
            assert_eq!(similar(far, DEVICES), Vec::<String>::new(), "{far}");
        }
    }

    #[test]
    fn questions_are_sentences() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(question(&[]), None);
        assert_eq!(question(&names(&["a"])).unwrap(), "did you mean a?");
        assert_eq!(question(&names(&["a", "b", "c"])).unwrap(), "did you mean a, b or c?");
    }
}
