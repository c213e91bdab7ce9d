//! Numbers of all widths in files, as 32-bit floats.

/// Types of floats; the bytes of each are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// IEEE 754 binary16.
    Half,
    /// The upper half of a 32-bit float.
    Brain,
    Single,
    Double,
}

impl Numbers {
    /// Bytes of one.
    pub fn width(self) -> usize {
        match self {
            Numbers::Half | Numbers::Brain => 2,
            Numbers::Single => 4,
            Numbers::Double => 8,
        }
    }
}

/// As many numbers as the bytes hold.
pub fn read(bytes: &[u8], kind: Numbers) -> Vec<f32> {
    let pairs = || bytes.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
    match kind {
        Numbers::Half => pairs().map(half).collect(),
        Numbers::Brain => pairs().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect(),
        Numbers::Single => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Numbers::Double => {
            bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()
        }
    }
}

fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => f32::INFINITY,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(i32::from(exponent) - 15),
    };
    if sign == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_widths_say_the_same() {
        assert_eq!(
            read(&[0x00, 0x3c, 0x00, 0xc1, 0x01, 0x00, 0x00, 0x7c], Numbers::Half),
            [1.0, -2.5, 2_f32.powi(-24), f32::INFINITY]
        );
        assert!(read(&[0x01, 0x7e], Numbers::Half)[0].is_nan());
        assert_eq!(read(&[0x20, 0xc0], Numbers::Brain), [-2.5]);
        assert_eq!(read(&(-2.5_f32).to_le_bytes(), Numbers::Single), [-2.5]);
        assert_eq!(read(&(-2.5_f64).to_le_bytes(), Numbers::Double), [-2.5]);
    }
}
