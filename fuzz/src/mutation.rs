//! Damage: what is done to a whole input to get one that nobody meant.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::ops::Range;

/// Longer inputs than this are cut: what is looked for are faults in reading, not in reading for long.
const LONGEST: usize = 8 << 20;

/// Numbers at the ends of what types hold, and others that programs forget.
const NUMBERS: [&str; 26] = [
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "127",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e12",
    "1e300",
    "1e309",
    "-1e300",
    "1e-300",
    "0.5",
    "NaN",
    "-inf",
];

/// Words that mean something to a shell, a terminal, a path or a parser.
const WORDS: [&[u8]; 18] = [
    b"..",
    b"../../x",
    b"/dev/zero",
    b"\x1b[2J",
    b"\xff",
    b"\xc3\x28",
    b"\0",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "\u{9b}31m".as_bytes(),
    b"'; echo x; '",
    b"$(id)",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"",
    b"\r\n",
];

/// The input with this number: `seeds` themselves first, in order, then damaged ones. The same seed and number give
/// the same input.
pub fn mutated(seeds: &[Vec<u8>], seed: u64, number: u64) -> Vec<u8> {
    if let Some(whole) = usize::try_from(number).ok().and_then(|number| seeds.get(number)) {
        return whole.clone();
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut input = seeds.choose(&mut rng).cloned().unwrap_or_default();
    let times = if rng.random() { 1 } else { rng.random_range(2..=4) };
    for _ in 0..times {
        let other = seeds.choose(&mut rng).map_or(&[][..], Vec::as_slice);
        damage(&mut input, other, &mut rng);
        input.truncate(LONGEST);
    }
    input
}

/// Damages `input` once, perhaps with a piece of `other`.
fn damage(input: &mut Vec<u8>, other: &[u8], rng: &mut Xoshiro256PlusPlus) {
    let text = std::str::from_utf8(input).is_ok();
    match rng.random_range(0..if text { 16 } else { 9 }) {
        0 => flip(input, rng),
        1 => input.truncate(rng.random_range(0..=input.len())),
        2 => drop(input.drain(piece(input, rng))),
        3 => repeat(input, rng),
        4 => splice(input, other, rng),
        5 => extreme_integer(input, rng),
        6 => noise(input, rng),
        7 => insert(input, WORDS.choose(rng).unwrap_or(&WORDS[0]), rng),
        8 => swap_bytes(input, rng),
        9..=12 => replace_number(input, rng),
        13 => replace_word(input, rng),
        14 => lines(input, rng),
        _ => nest(input, rng),
    }
}

/// A range of at most some hundred bytes, seldom a long one.
fn piece(input: &[u8], rng: &mut Xoshiro256PlusPlus) -> Range<usize> {
    let start = rng.random_range(0..=input.len());
    let most = if rng.random_ratio(1, 8) { input.len() - start } else { (input.len() - start).min(200) };
    start..start + rng.random_range(0..=most)
}

fn flip(input: &mut [u8], rng: &mut Xoshiro256PlusPlus) {
    if !input.is_empty() {
        let at = rng.random_range(0..input.len());
        input[at] ^= 1 << rng.random_range(0..8);
    }
}

fn repeat(input: &mut Vec<u8>, rng: &mut Xoshiro256PlusPlus) {
    let range = piece(input, rng);
    let times = if rng.random_ratio(1, 20) { 5_000 } else { rng.random_range(1..20) };
    let times = times.min(LONGEST / range.len().max(1));
    let copy = input[range.clone()].repeat(times);
    input.splice(range.end..range.end, copy);
}

fn splice(input: &mut Vec<u8>, other: &[u8], rng: &mut Xoshiro256PlusPlus) {
    let (to, from) = (piece(input, rng), piece(other, rng));
    input.splice(to, other[from].iter().copied());
}

fn insert(input: &mut Vec<u8>, what: &[u8], rng: &mut Xoshiro256PlusPlus) {
    let at = rng.random_range(0..=input.len());
    input.splice(at..at, what.iter().copied());
}

fn noise(input: &mut Vec<u8>, rng: &mut Xoshiro256PlusPlus) {
    let bytes: Vec<u8> = (0..rng.random_range(1..40)).map(|_| rng.random()).collect();
    insert(input, &bytes, rng);
}

fn swap_bytes(input: &mut [u8], rng: &mut Xoshiro256PlusPlus) {
    if !input.is_empty() {
        let (a, b) = (rng.random_range(0..input.len()), rng.random_range(0..input.len()));
        input.swap(a, b);
    }
}

/// Overwrites a little-endian integer of 1, 2, 4 or 8 bytes, or one in base 128, as counts and lengths are written.
fn extreme_integer(input: &mut [u8], rng: &mut Xoshiro256PlusPlus) {
    let width = *[1, 2, 4, 8, 5, 10].choose(rng).unwrap_or(&1);
    let Some(last) = input.len().checked_sub(width) else { return };
    let at = rng.random_range(0..=last);
    let slot = &mut input[at..at + width];
    if matches!(width, 5 | 10) {
        slot.fill(0xff);
        slot[width - 1] = 1;
        return;
    }
    let value: u64 =
        *[0, 1, u64::MAX, u64::MAX >> 1, 1 << 31, 1 << 63, u64::MAX - 7].choose(rng).unwrap_or(&0);
    slot.copy_from_slice(&value.to_le_bytes()[..width]);
}

/// The ranges of `input` that hold nothing but bytes of one sort.
fn tokens(input: &[u8], belongs: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, &byte) in input.iter().enumerate().filter(|(_, byte)| belongs(**byte)) {
        debug_assert!(belongs(byte));
        match found.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => found.push(at..at + 1),
        }
    }
    found
}

fn replace_number(input: &mut Vec<u8>, rng: &mut Xoshiro256PlusPlus) {
    let numbers = tokens(input, |byte| byte.is_ascii_digit());
    let Some(range) = numbers.choose(rng).cloned() else { return };
    let random = rng.random_range(0..100_000_u32).to_string();
    let number = NUMBERS.choose(rng).copied().filter(|_| rng.random_ratio(3, 4)).unwrap_or(&random);
    input.splice(range, number.bytes());
}

fn replace_word(input: &mut Vec<u8>, rng: &mut Xoshiro256PlusPlus) {
    let words = tokens(input, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let (Some(to), Some(from)) = (words.choose(rng).cloned(), words.choose(rng).cloned()) else { return };
    let word =
        if rng.random() { input[from].to_vec() } else { WORDS.choose(rng).unwrap_or(&WORDS[0]).to_vec() };
    input.splice(to, word);
}

/// Removes, repeats or swaps lines; or cells between commas where there is one line.
fn lines(input: &mut Vec<u8>, rng: &mut Xoshiro256PlusPlus) {
    let mark = if input.iter().filter(|&&byte| byte == b'\n').count() > 1 { b'\n' } else { b',' };
    let mut lines: Vec<Vec<u8>> = input.split(|&byte| byte == mark).map(<[u8]>::to_vec).collect();
    let (a, b) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
    match rng.random_range(0..3) {
        0 => drop(lines.remove(a)),
        1 => lines.insert(b, lines[a].clone()),
        _ => lines.swap(a, b),
    }
    *input = lines.join(&mark);
}

/// Opens brackets without closing them, as deep as a parser that calls itself may not bear.
fn nest(input: &mut Vec<u8>, rng: &mut Xoshiro256PlusPlus) {
    let bracket: &[u8] = [&b"["[..], b"{\"a\":", b"(", b"SuperResK3K3("].choose(rng).copied().unwrap_or(b"[");
    let depth = *[1, 10, 300, 100_000].choose(rng).unwrap_or(&1);
    insert(input, &bracket.repeat(depth), rng);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_follows_from_its_seed_and_number() {
        let seeds = vec![b"{\"a\": 12, \"b\": [3, 4]}".to_vec(), (0..=255).collect()];
        assert_eq!(mutated(&seeds, 7, 0), seeds[0]);
        assert_eq!(mutated(&seeds, 7, 1), seeds[1]);
        let made: Vec<Vec<u8>> = (2..300).map(|number| mutated(&seeds, 7, number)).collect();
        assert_eq!(made, (2..300).map(|number| mutated(&seeds, 7, number)).collect::<Vec<_>>());
        assert_ne!(made, (2..300).map(|number| mutated(&seeds, 8, number)).collect::<Vec<_>>());
        let mut different = made.clone();
        different.sort();
        different.dedup();
        assert!(different.len() > 280, "{}", different.len());
    }

    #[test]
    fn nothing_at_all_can_be_damaged() {
        for number in 0..200 {
            mutated(&[], 0, number);
            mutated(&[Vec::new()], 0, number);
        }
    }
}
