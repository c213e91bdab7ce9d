//! Handwritten digits of 8×8 grey values (datasets/images/digits): a gzipped table of 64 values from 0 to 16 and the digit.

use super::TrainError;
use edgezen_core::digest::sha256;
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;

/// Side of the images as networks see them: every value stands for 2 × 2 pixels.
pub const SIDE: usize = 2 * STORED;
/// Side of the images in the table.
const STORED: usize = 8;
/// The largest value in the table, and what it becomes in a byte: 16 × 15.
const MOST: u8 = 16;
const SCALE: u8 = 15;
/// The table is no larger than this, in bytes.
const MOST_BYTES: u64 = 4 << 20;

/// All digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Digits {
    /// 3 × [`SIDE`] × [`SIDE`] bytes for each image; the three channels are the same.
    pub pixels: Vec<u8>,
    pub labels: Vec<u8>,
    pub sha256: String,
}

/// Reads the table; `path` is for the messages.
///
/// # Errors
/// What is no gzipped table of such rows.
pub fn read(bytes: &[u8], path: &Path) -> Result<Digits, TrainError> {
    let bad = |reason: String| TrainError::Data { path: path.to_owned(), reason };
    let mut text = String::new();
    let read = GzDecoder::new(bytes).take(MOST_BYTES).read_to_string(&mut text);
    read.map_err(|error| bad(format!("not a gzipped table: {error}")))?;
    let mut digits = Digits { pixels: Vec::new(), labels: Vec::new(), sha256: sha256(bytes) };
    for (number, line) in text.lines().enumerate() {
        let (values, label) = row(line).ok_or_else(|| {
            bad(format!("line {} is not 64 values from 0 to {MOST} and a digit", number + 1))
        })?;
        digits.labels.push(label);
        for _channel in 0..3 {
            for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
                digits.pixels.push(SCALE * values[y / 2 * STORED + x / 2]);
            }
        }
    }
    Ok(digits)
}

/// The values and the digit of a line.
fn row(line: &str) -> Option<([u8; STORED * STORED], u8)> {
    let mut cells = line.split(',').map(|cell| cell.trim().parse::<u8>().ok());
    let mut values = [0; STORED * STORED];
    for value in &mut values {
        *value = cells.next()?.filter(|value| *value <= MOST)?;
    }
    let label = cells.next()?.filter(|label| *label <= 9)?;
    cells.next().is_none().then_some((values, label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gz(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_value_stands_for_four_pixels_in_three_channels() {
        let values: Vec<String> = (0..64).map(|i| (i % 17).to_string()).collect();
        let digits = read(&gz(&format!("{},7\n", values.join(","))), Path::new("t")).unwrap();
        assert_eq!((digits.labels, digits.pixels.len()), (vec![7], 3 * 256));
        let at = |channel: usize, y: usize, x: usize| digits.pixels[channel * 256 + y * 16 + x];
        assert_eq!([at(0, 0, 0), at(0, 0, 2), at(1, 1, 3), at(2, 1, 2)], [0, 15, 15, 15]);
        // The tenth value is in the second row of the table.
        assert_eq!([at(0, 2, 4), at(2, 3, 5), at(0, 15, 15)], [150, 150, 15 * (63 % 17)]);
    }

    #[test]
    fn other_tables_are_refused_with_their_line() {
        let zeros = vec!["0"; 64].join(",");
        let reason = |text: &str| read(&gz(text), Path::new("t")).unwrap_err().to_string();
        for line in
            [zeros.clone(), format!("{zeros},10"), format!("{zeros},1,2"), format!("17{},1", &zeros[1..])]
        {
            assert!(reason(&format!("{zeros},1\n{line}\n")).contains("line 2"), "{line}");
        }
        assert!(read(b"0,1", Path::new("t")).unwrap_err().to_string().contains("gzipped"));
    }
}
