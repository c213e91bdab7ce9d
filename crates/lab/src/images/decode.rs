//! PNG and JPEG files as pixels.

use edgezen_engine::guard::guarded;
use std::io::Cursor;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Longest side of an image.
const LONGEST: usize = 16_384;
/// Most pixels.
const MOST_PIXELS: usize = 100_000_000;

/// Bytes of red, green and blue, row by row.
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

impl Pixels {
    /// The image in a file, whose first bytes tell which kind it is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Pixels, String> {
        let decode = if bytes.starts_with(b"\x89PNG") {
            png
        } else if bytes.starts_with(b"\xff\xd8") {
            jpeg
        } else {
            return Err("neither a PNG nor a JPEG file".into());
        };
        let pixels = guarded(|| decode(bytes)).unwrap_or_else(Err)?;
        let expected = pixels.width.checked_mul(pixels.height).and_then(|area| area.checked_mul(3));
        if pixels.width == 0 || pixels.height == 0 || expected != Some(pixels.rgb.len()) {
            return Err("an image of another size than it says".into());
        }
        Ok(pixels)
    }
}

fn check(width: usize, height: usize) -> Result<(), String> {
    let fits = width.max(height) <= LONGEST && width.saturating_mul(height) <= MOST_PIXELS;
    if fits { Ok(()) } else { Err(format!("an image of {width}×{height} pixels is too large")) }
}

fn png(bytes: &[u8]) -> Result<Pixels, String> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check(width, height)?;
    let size = reader.output_buffer_size().ok_or("an image of a size that cannot be counted")?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(|error| error.to_string())?;
    buffer.truncate(frame.buffer_size());
    let rgb = match frame.color_type {
        png::ColorType::Rgb => buffer,
        png::ColorType::Rgba => {
            buffer.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
        }
        png::ColorType::Grayscale => buffer.iter().flat_map(|&grey| [grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => buffer.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        png::ColorType::Indexed => return Err("its colours are indices into a table".into()),
    };
    Ok(Pixels { width, height, rgb })
}

fn jpeg(bytes: &[u8]) -> Result<Pixels, String> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let options = options.set_max_width(LONGEST).set_max_height(LONGEST).set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("it has no header")?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check(width, height)?;
    let rgb = decoder.decode().map_err(|error| error.to_string())?;
    Ok(Pixels { width, height, rgb })
}
