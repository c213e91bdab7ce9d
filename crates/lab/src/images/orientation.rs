//! How a camera was held: the orientation in the Exif data of a file, which viewers and networks see the image in.

/// The Exif tag of the orientation.
const TAG: u16 = 0x0112;
/// The most entries that are looked through for it.
const MOST_ENTRIES: u16 = 1000;

/// How the stored pixels become the image: first rows and columns are exchanged, then each axis is mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    swapped: bool,
    mirrored_across: bool,
    mirrored_down: bool,
}

impl Orientation {
    /// The orientation in Exif data, with or without their name before them. What cannot be read is the usual
    /// orientation, as viewers have it too.
    pub fn of_exif(bytes: &[u8]) -> Orientation {
        let bytes = bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes);
        value(bytes).map(Orientation::of_value).unwrap_or_default()
    }

    /// What the numbers 1 to 8 of the standard stand for.
    fn of_value(value: u16) -> Orientation {
        let (swapped, mirrored_across, mirrored_down) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => (false, false, false),
        };
        Orientation { swapped, mirrored_across, mirrored_down }
    }

    /// Width, height and the pixels of red, green and blue of an image in this orientation.
    pub fn applied(self, width: usize, height: usize, rgb: Vec<u8>) -> (usize, usize, Vec<u8>) {
        if self == Orientation::default() {
            return (width, height, rgb);
        }
        let (wide, high) = if self.swapped { (height, width) } else { (width, height) };
        let mut turned = Vec::with_capacity(rgb.len());
        for (y, x) in (0..high).flat_map(|y| (0..wide).map(move |x| (y, x))) {
            let (mut from_x, mut from_y) = if self.swapped { (y, x) } else { (x, y) };
            if self.mirrored_across {
                from_x = width - 1 - from_x;
            }
            if self.mirrored_down {
                from_y = height - 1 - from_y;
            }
            turned.extend_from_slice(&rgb[3 * (from_y * width + from_x)..][..3]);
        }
        (wide, high, turned)
    }
}

/// The number of the orientation in TIFF data.
fn value(bytes: &[u8]) -> Option<u16> {
    let little = match bytes.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let two: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let long = |at: usize| {
        let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = short(directory)?.min(MOST_ENTRIES);
    (0..usize::from(entries)).find_map(|entry| {
        let at = directory.checked_add(2 + 12 * entry)?;
        (short(at)? == TAG).then(|| short(at + 8)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exif data that hold one entry.
    fn exif(value: u16, little: bool) -> Vec<u8> {
        let short = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let long = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        bytes.extend(long(8));
        bytes.extend([short(1), short(TAG), short(3)].concat());
        bytes.extend(long(1));
        bytes.extend([short(value), short(0)].concat());
        bytes
    }

    #[test]
    fn all_eight_orientations_show_the_same_image() {
        // Two pixels wide and three high: the image that everybody sees is 1 2 / 3 4 / 5 6.
        let stored: [(u16, usize, &[u8]); 8] = [
            (1, 2, &[1, 2, 3, 4, 5, 6]),
            (2, 2, &[2, 1, 4, 3, 6, 5]),
            (3, 2, &[6, 5, 4, 3, 2, 1]),
            (4, 2, &[5, 6, 3, 4, 1, 2]),
            (5, 3, &[1, 3, 5, 2, 4, 6]),
            (6, 3, &[2, 4, 6, 1, 3, 5]),
            (7, 3, &[6, 4, 2, 5, 3, 1]),
            (8, 3, &[5, 3, 1, 6, 4, 2]),
        ];
        for (value, width, pixels) in stored {
            for little in [true, false] {
                let rgb = pixels.iter().flat_map(|&pixel| [pixel, 0, 9]).collect();
                let orientation = Orientation::of_exif(&exif(value, little));
                let (wide, high, turned) = orientation.applied(width, 6 / width, rgb);
                let seen: Vec<u8> = turned.chunks(3).map(|pixel| pixel[0]).collect();
                assert_eq!((wide, high, seen), (2, 3, vec![1, 2, 3, 4, 5, 6]), "{value}");
            }
        }
    }

    #[test]
    fn damaged_exif_data_turn_nothing() {
        let whole = [b"Exif\0\0".to_vec(), exif(6, true)].concat();
        assert_ne!(Orientation::of_exif(&whole), Orientation::default());
        for cut in 0..whole.len() - 4 {
            assert_eq!(Orientation::of_exif(&whole[..cut]), Orientation::default(), "{cut}");
        }
        let mut far = exif(6, false);
        far[4..8].copy_from_slice(&[0xff; 4]);
        assert_eq!(Orientation::of_exif(&far), Orientation::default());
        assert_eq!(Orientation::of_exif(&exif(77, true)), Orientation::default());
    }
}
