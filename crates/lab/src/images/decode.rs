//! PNG, JPEG, WebP and BMP files as pixels.

use super::orientation::Orientation;
use edgezen_engine::guard::guarded;
use std::io::Cursor;
use zune_bmp::BmpDecoder;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Longest side of an image.
const LONGEST: usize = 16_384;
/// Most pixels.
const MOST_PIXELS: usize = 100_000_000;

/// What is wrong with a file that is shorter than it says.
const CUT_OFF: &str = "it is cut off";

/// Endings of the names of files that are read as images.
pub const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "jfif"];

/// Bytes of red, green and blue, row by row.
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

impl Pixels {
    /// The image in a file, whose first bytes tell which kind it is. It is turned as its Exif data say. Grey becomes
    /// three equal channels, 16 bits become the upper 8, and what is transparent is left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Pixels, String> {
        let decode = if bytes.starts_with(b"\x89PNG") {
            png
        } else if bytes.starts_with(b"\xff\xd8") {
            jpeg
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            webp
        } else if bytes.starts_with(b"BM") {
            bmp
        } else if bytes.is_empty() {
            return Err("an empty file".into());
        } else {
            return Err("neither a PNG nor a JPEG, WebP or BMP file".into());
        };
        let (pixels, orientation) = guarded(|| decode(bytes)).unwrap_or_else(Err)?;
        let expected = pixels.width.checked_mul(pixels.height).and_then(|area| area.checked_mul(3));
        if pixels.width == 0 || pixels.height == 0 || expected != Some(pixels.rgb.len()) {
            return Err("an image of another size than it says".into());
        }
        let (width, height, rgb) = orientation.applied(pixels.width, pixels.height, pixels.rgb);
        Ok(Pixels { width, height, rgb })
    }
}

fn check(width: usize, height: usize) -> Result<(), String> {
    let fits = width.max(height) <= LONGEST && width.saturating_mul(height) <= MOST_PIXELS;
    if fits { Ok(()) } else { Err(format!("an image of {width}×{height} pixels is too large")) }
}

/// Pixels of four channels without the last.
fn opaque(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}

/// What decoders say where the bytes end too early.
const ENDS: [&str; 6] =
    ["not enough bytes", "unexpected end", "eof", "exhausted", "premature", "end of file"];

/// What a decoder said, in one line; of a file that ends too early, that it is cut off.
fn reason(said: &str) -> String {
    let small = said.to_lowercase();
    if ENDS.iter().any(|end| small.contains(end)) {
        return CUT_OFF.into();
    }
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn png(bytes: &[u8]) -> Result<(Pixels, Orientation), String> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| reason(&error.to_string()))?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check(width, height)?;
    let size = reader.output_buffer_size().ok_or("an image of a size that cannot be counted")?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(|error| reason(&error.to_string()))?;
    buffer.truncate(frame.buffer_size());
    let rgb = match frame.color_type {
        png::ColorType::Rgb => buffer,
        png::ColorType::Rgba => opaque(&buffer),
        png::ColorType::Grayscale => buffer.iter().flat_map(|&grey| [grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => buffer.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        png::ColorType::Indexed => return Err("its colours are indices into a table".into()),
    };
    let exif = reader.info().exif_metadata.as_deref().unwrap_or_default();
    Ok((Pixels { width, height, rgb }, Orientation::of_exif(exif)))
}

/// Strictly: a file that is cut off is refused, where others fill up what is missing with grey.
fn jpeg(bytes: &[u8]) -> Result<(Pixels, Orientation), String> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let options = options.set_max_width(LONGEST).set_max_height(LONGEST).set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| reason(&error.to_string()))?;
    let info = decoder.info().ok_or("it has no header")?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check(width, height)?;
    let rgb = decoder.decode().map_err(|error| reason(&error.to_string()))?;
    let exif = decoder.exif().map(Vec::as_slice).unwrap_or_default();
    Ok((Pixels { width, height, rgb }, Orientation::of_exif(exif)))
}

/// The first image, where several follow one another.
fn webp(bytes: &[u8]) -> Result<(Pixels, Orientation), String> {
    let length = bytes.get(4..8).and_then(|length| length.try_into().ok()).map_or(0, u32::from_le_bytes);
    if bytes.len() < length as usize {
        return Err(CUT_OFF.into());
    }
    let mut decoder =
        image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(|error| reason(&error.to_string()))?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check(width, height)?;
    let size = decoder.output_buffer_size().ok_or("an image of a size that cannot be counted")?;
    let mut buffer = vec![0; size];
    decoder.read_image(&mut buffer).map_err(|error| reason(&error.to_string()))?;
    let rgb = if decoder.has_alpha() { opaque(&buffer) } else { buffer };
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    Ok((Pixels { width, height, rgb }, Orientation::of_exif(&exif)))
}

fn bmp(bytes: &[u8]) -> Result<(Pixels, Orientation), String> {
    let options = DecoderOptions::default().set_max_width(LONGEST).set_max_height(LONGEST);
    let mut decoder = BmpDecoder::new_with_options(ZCursor::new(bytes), options.set_strict_mode(true));
    decoder.decode_headers().map_err(|error| reason(&format!("{error:?}")))?;
    let (width, height) = decoder.dimensions().ok_or("it has no header")?;
    check(width, height)?;
    if bytes.len() < least_bmp(bytes, width, height) {
        return Err(CUT_OFF.into());
    }
    let colours = decoder.colorspace().ok_or("it has no header")?;
    let buffer = decoder.decode().map_err(|error| reason(&format!("{error:?}")))?;
    let rgb = match colours {
        ColorSpace::RGB => buffer,
        ColorSpace::RGBA => opaque(&buffer),
        ColorSpace::Luma => buffer.iter().flat_map(|&grey| [grey; 3]).collect(),
        other => return Err(format!("its colours are of an unknown kind ({other:?})")),
    };
    Ok((Pixels { width, height, rgb }, Orientation::default()))
}

/// The least length of a BMP file; zero where its pixels are compressed.
fn least_bmp(bytes: &[u8], width: usize, height: usize) -> usize {
    let long =
        |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let bits = bytes.get(28..30).and_then(|two| two.try_into().ok()).map(u16::from_le_bytes);
    match (long(10), long(14), bits, long(30)) {
        (Some(offset), Some(40..), Some(bits), Some(0 | 3)) => {
            let row = (usize::from(bits) * width).div_ceil(32) * 4;
            row.saturating_mul(height).saturating_add(offset as usize)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use std::path::PathBuf;

    /// Images of the left half in one colour and the right half in another, in many formats; `README.md` there says how they
    /// were made.
    fn case(name: &str) -> Vec<u8> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/image_cases");
        std::fs::read(folder.join(name)).unwrap()
    }

    /// The colours in the middle of the left half and of the right one.
    fn halves(bytes: &[u8]) -> [[u8; 3]; 2] {
        let pixels = Pixels::decode(bytes).unwrap();
        assert_eq!((pixels.width, pixels.height), (24, 16));
        [6, 18].map(|x| {
            let at = 3 * (8 * pixels.width + x);
            [pixels.rgb[at], pixels.rgb[at + 1], pixels.rgb[at + 2]]
        })
    }

    fn near(found: [[u8; 3]; 2], expected: [[u8; 3]; 2], name: &str) {
        let pairs = found.iter().flatten().zip(expected.iter().flatten());
        let far = pairs.map(|(a, b)| a.abs_diff(*b)).max();
        assert!(far.is_some_and(|far| far <= 6), "{name}: {found:?}, expected {expected:?}");
    }

    const COLOURS: [[u8; 3]; 2] = [[200, 40, 40], [40, 80, 220]];
    const GREYS: [[u8; 3]; 2] = [[60; 3], [190; 3]];

    #[test]
    fn every_kind_of_file_shows_the_same_image() {
        for name in [
            "colour.png",
            "palette.png",
            "alpha.png",
            "colour.jpg",
            "progressive.jpg",
            "turned.jpg",
            "cmyk.jpg",
            "colour.bmp",
            "palette.bmp",
            "lossy.webp",
            "lossless.webp",
        ] {
            near(halves(&case(name)), COLOURS, name);
        }
        for name in ["grey.png", "grey16.png", "grey.jpg", "grey.bmp"] {
            near(halves(&case(name)), GREYS, name);
        }
    }

    #[test]
    fn files_that_are_cut_off_or_something_else_are_refused() {
        for name in
            ["colour.png", "colour.jpg", "progressive.jpg", "colour.bmp", "lossy.webp", "lossless.webp"]
        {
            let whole = case(name);
            for share in [2, 5, 7] {
                let cut = &whole[..whole.len() * share / 10];
                let said = Pixels::decode(cut).err();
                // A dozen bytes do not say yet what kind of file it is.
                let wanted = if cut.len() < 16 { said.clone() } else { Some(CUT_OFF.to_owned()) };
                assert!(said.is_some() && said == wanted, "{share} tenths of {name}: {said:?}");
            }
        }
        let said = |bytes: &[u8]| Pixels::decode(bytes).err().unwrap();
        assert!(said(b"a text that is called .png").contains("neither"));
        assert!(said(b"").contains("empty"));
        let mut huge = case("colour.bmp");
        huge[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
        assert!(Pixels::decode(&huge).is_err());
    }

    #[test]
    fn damaged_files_end_in_errors_or_images() {
        let names =
            ["colour.png", "progressive.jpg", "cmyk.jpg", "palette.bmp", "lossy.webp", "lossless.webp"];
        for name in names {
            let whole = case(name);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
            for _ in 0..300 {
                let mut damaged = whole.clone();
                for _ in 0..rng.random_range(1..5) {
                    let at = rng.random_range(0..damaged.len());
                    damaged[at] = rng.random_range(0..=255);
                }
                if let Ok(pixels) = Pixels::decode(&damaged) {
                    assert_eq!(pixels.rgb.len(), 3 * pixels.width * pixels.height, "{name}");
                }
            }
        }
    }
}
