//! What a network sees of an image: its middle, at the sides that the network reads, in normalised numbers. Training,
//! calibration and evaluation ask here, so that all of them see the same.

use super::decode::Pixels;
use super::resize;
use edgezen_core::plainnet::Shape;

/// How pixels become numbers: (value / 255 − mean) / deviation, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
}

impl Normalisation {
    pub const IMAGENET: Normalisation =
        Normalisation { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
    pub const CIFAR: Normalisation =
        Normalisation { mean: [0.4914, 0.4822, 0.4465], deviation: [0.2023, 0.1994, 0.2010] };
}

/// Longest side of networks for small images, which see whole images; others see the middle 7/8.
const SMALL: u32 = 64;
/// What networks for large images see of the shorter side of an image.
const KEPT: f64 = 0.875;
/// The longer side of a kept image is at most so many times the shorter one of what a network sees.
const LONGEST: usize = 3;

/// What networks of one size see of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Sides of the map that the network reads, in pixels.
    pub height: usize,
    pub width: usize,
    /// Share of the image that it sees, of the side that limits it.
    kept: f64,
    pub normalisation: Normalisation,
}

/// An image, resized so that a network sees its middle, with more around it for random crops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub height: usize,
    pub width: usize,
    /// Red, green and blue, one after another, each row by row.
    pub planes: Vec<u8>,
}

impl View {
    /// The one of networks that read maps of this shape: images normalised as those of ImageNet; for networks of small
    /// images, as those of CIFAR.
    pub fn of(shape: Shape) -> View {
        let (kept, normalisation) = if shape.h.max(shape.w) <= SMALL {
            (1.0, Normalisation::CIFAR)
        } else {
            (KEPT, Normalisation::IMAGENET)
        };
        View { height: shape.h as usize, width: shape.w as usize, kept, normalisation }
    }

    /// Numbers of one image.
    pub fn elements(&self) -> usize {
        3 * self.height * self.width
    }

    /// Sides, height first, that are kept of an image of which the network sees a part.
    fn sides(&self) -> [usize; 2] {
        [self.height, self.width].map(|side| (side as f64 / self.kept).ceil() as usize)
    }

    /// Share of an image that the network sees, of the side that limits it.
    pub fn kept(&self) -> f64 {
        self.kept
    }

    /// Whether the network sees the whole of square images.
    pub fn sees_all(&self) -> bool {
        self.kept >= 1.0
    }

    /// The bytes of a picture, about.
    pub fn picture_bytes(&self) -> usize {
        let [height, width] = self.sides();
        3 * height * width * 3 / 2
    }

    /// An image as it is kept.
    pub fn picture(&self, pixels: &Pixels) -> Picture {
        let least = self.sides();
        let from = [pixels.height, pixels.width];
        // Pixels of the image for each that is kept.
        let step = (0..2).map(|axis| from[axis] as f64 / least[axis] as f64).fold(f64::INFINITY, f64::min);
        let [height, width] = [0, 1].map(|axis| {
            ((from[axis] as f64 / step).round() as usize).clamp(least[axis], LONGEST * least[axis])
        });
        let planes = resize::centre(pixels, [height, width], 1.0);
        let planes = planes.into_iter().map(|value| (value + 0.5).clamp(0.0, 255.0) as u8).collect();
        Picture { height, width, planes }
    }

    /// The bytes that the network sees of a picture when it is judged: the middle.
    pub fn middle(&self, picture: &Picture) -> Vec<u8> {
        let top = picture.height.saturating_sub(self.height) / 2;
        let left = picture.width.saturating_sub(self.width) / 2;
        self.part(picture, top as isize, left as isize)
    }

    /// The part of a picture whose corner lies so many pixels below and right of the picture's; black beyond the edge.
    pub fn part(&self, picture: &Picture, top: isize, left: isize) -> Vec<u8> {
        let mut out = vec![0; self.elements()];
        let area = (self.height * self.width).max(1);
        let from = picture.planes.chunks(picture.height * picture.width);
        for (to, from) in out.chunks_mut(area).zip(from) {
            for (y, row) in to.chunks_mut(self.width).enumerate() {
                let Some(from) = inside(top, y).and_then(|y| from.chunks(picture.width).nth(y)) else {
                    continue;
                };
                for (x, value) in row.iter_mut().enumerate() {
                    *value = inside(left, x).and_then(|x| from.get(x)).copied().unwrap_or(0);
                }
            }
        }
        out
    }

    /// Writes the numbers of what the network sees.
    pub fn numbers(&self, bytes: &[u8], out: &mut [f32]) {
        let area = (self.height * self.width).max(1);
        let Normalisation { mean, deviation } = self.normalisation;
        for (channel, (from, to)) in bytes.chunks(area).zip(out.chunks_mut(area)).enumerate() {
            for (value, to) in from.iter().zip(to) {
                *to = (f32::from(*value) / 255.0 - mean[channel]) / deviation[channel];
            }
        }
    }
}

/// The place `offset` behind `start`, unless it lies before the edge.
fn inside(start: isize, offset: usize) -> Option<usize> {
    start.checked_add_unsigned(offset).and_then(|place| usize::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Pixels {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Pixels { width, height, rgb }
    }

    #[test]
    fn the_shorter_side_fits_and_the_longer_one_is_kept() {
        let small = View::of(Shape::square(3, 8));
        let picture = small.picture(&ramp(32, 16));
        assert_eq!((picture.height, picture.width), (8, 16));
        // Pixels of 2 × 2: the middle of the left one is 0.5 from the edge.
        assert_eq!(picture.planes[1], 3);
        let seen = small.middle(&picture);
        assert_eq!((seen.len(), seen[0], seen[64]), (192, 9, 1));
        // Very wide images lose what no crop would show.
        let wide = small.picture(&ramp(200, 4));
        assert_eq!((wide.height, wide.width), (8, 24));
        let large = View::of(Shape::square(3, 224));
        let picture = large.picture(&ramp(100, 200));
        assert_eq!((picture.height, picture.width), (512, 256));
        assert_eq!(large.middle(&picture).len(), 3 * 224 * 224);
        // A network that reads wide maps.
        let oblong = View::of(Shape { c: 3, h: 4, w: 8 });
        let picture = oblong.picture(&ramp(40, 40));
        assert_eq!((picture.height, picture.width), (8, 8));
    }

    #[test]
    fn parts_are_black_beyond_the_edge() {
        let view = View::of(Shape::square(3, 2));
        let picture = Picture { height: 2, width: 2, planes: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] };
        assert_eq!(view.part(&picture, 0, 0), picture.planes);
        assert_eq!(view.part(&picture, -1, -1), [0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 9]);
        assert_eq!(view.part(&picture, 1, 1), [4, 0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0]);
        assert_eq!(view.part(&picture, 5, -7), [0; 12]);
    }

    #[test]
    fn numbers_are_normalised_by_channel() {
        let view = View::of(Shape::square(3, 1));
        let mut numbers = [0.0; 3];
        view.numbers(&[0, 255, 51], &mut numbers);
        let Normalisation { mean, deviation } = Normalisation::CIFAR;
        for (channel, value) in [0.0, 1.0, 0.2].into_iter().enumerate() {
            assert!((numbers[channel] - (value - mean[channel]) / deviation[channel]).abs() < 1e-6);
        }
    }
}
