//! What the firmware of a Raspberry Pi says of its power and its heat: `vcgencmd get_throttled`, a number of bits. They are
//! described in Raspberry Pi's documentation of `vcgencmd`.

use serde::Serialize;

/// The bits of `get_throttled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Throttled {
    pub bits: u32,
}

/// What each bit says of this moment. Sixteen bits further up stands whether it was so since the board was started.
const NOW: [(u32, &str); 4] = [
    (0, "its voltage is too low"),
    (1, "its clock is capped"),
    (2, "it is throttled"),
    (3, "it is at its soft limit of temperature"),
];

impl Throttled {
    /// Reads `throttled=0x50005`; `None` for anything else, as where there is no such program.
    pub fn parse(text: &str) -> Option<Throttled> {
        let digits = text.lines().find_map(|line| line.trim().strip_prefix("throttled=0x"))?;
        Some(Throttled { bits: u32::from_str_radix(digits.trim(), 16).ok()? })
    }

    /// What is so now.
    pub fn now(self) -> Vec<&'static str> {
        NOW.iter().filter(|(bit, _)| self.bits >> bit & 1 == 1).map(|&(_, words)| words).collect()
    }

    /// Whether the voltage was too low since the board was started.
    pub fn had_low_voltage(self) -> bool {
        self.bits >> 16 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_words() {
        let of = |text: &str| Throttled::parse(text).unwrap();
        assert_eq!(of("throttled=0x0\n").now(), [] as [&str; 0]);
        assert_eq!(of("throttled=0x50005").now(), ["its voltage is too low", "it is throttled"]);
        assert!(of("throttled=0x50000").had_low_voltage() && of("throttled=0x50000").now().is_empty());
        for other in ["", "vcgencmd: not found", "throttled=0x", "throttled=5", "throttled=0xfffffffff"] {
            assert_eq!(Throttled::parse(other), None, "{other}");
        }
    }
}
