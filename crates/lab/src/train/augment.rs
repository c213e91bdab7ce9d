//! What is done to an image before a network sees it: crop, mirror, AutoAugment (the policy that was found
//! for CIFAR-10: Cubuk et al., CVPR 2019), erasing. Operations on pixels compute what Pillow computes. Images are square, of
//! three channels one after another.

use super::recipe::Recipe;
use crate::images::{Picture, View};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Crops of images that networks see whole reach so far beyond the edge, as a share of the side.
const PADDING: usize = 8;
/// What stands beyond the edge of moved images.
const GREY: u8 = 128;

/// Pixels of a channel of an image.
fn area<T>(image: &[T]) -> usize {
    image.len() / 3
}

/// Side of an image.
fn side<T>(image: &[T]) -> usize {
    area(image).isqrt()
}

/// An operation of AutoAugment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Color,
    Posterize,
    Solarize,
    Contrast,
    Sharpness,
    Brightness,
    AutoContrast,
    Equalize,
    Invert,
}

use Operation::*;

/// Operation, probability, magnitude 0 to 9; two after one another.
pub const POLICY: [[(Operation, f64, u8); 2]; 25] = [
    [(Invert, 0.1, 7), (Contrast, 0.2, 6)],
    [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],
    [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.5, 8), (Equalize, 0.9, 2)],
    [(ShearY, 0.2, 7), (Posterize, 0.3, 7)],
    [(Color, 0.4, 3), (Brightness, 0.6, 7)],
    [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalize, 0.6, 5), (Equalize, 0.5, 1)],
    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Color, 0.7, 7), (TranslateX, 0.5, 8)],
    [(Equalize, 0.3, 7), (AutoContrast, 0.4, 8)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)],
    [(Brightness, 0.9, 6), (Color, 0.2, 8)],
    [(Solarize, 0.5, 2), (Invert, 0.0, 3)],
    [(Equalize, 0.2, 0), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.2, 8), (Equalize, 0.8, 4)],
    [(Color, 0.9, 9), (Equalize, 0.6, 6)],
    [(AutoContrast, 0.8, 4), (Solarize, 0.2, 8)],
    [(Brightness, 0.1, 3), (Color, 0.7, 0)],
    [(Solarize, 0.4, 5), (AutoContrast, 0.9, 3)],
    [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.9, 2), (Solarize, 0.8, 3)],
    [(Equalize, 0.8, 8), (Invert, 0.1, 3)],
    [(TranslateY, 0.7, 9), (AutoContrast, 0.9, 1)],
];

impl Operation {
    /// What magnitude `index` stands for: the ends of a linear scale of ten steps.
    fn magnitude(self, index: u8) -> f64 {
        let (low, high) = match self {
            ShearX | ShearY => (0.0, 0.3),
            TranslateX | TranslateY => (0.0, 150.0 / 331.0),
            Rotate => (0.0, 30.0),
            Color | Contrast | Sharpness | Brightness => (0.0, 0.9),
            Posterize => (8.0, 4.0),
            Solarize => (256.0, 0.0),
            AutoContrast | Equalize | Invert => (0.0, 0.0),
        };
        low + (high - low) * f64::from(index) / 9.0
    }

    /// The image after this; `negative` turns the direction of those that have one.
    pub fn apply(self, image: &[u8], index: u8, negative: bool) -> Vec<u8> {
        let m = self.magnitude(index);
        let signed = if negative { -m } else { m };
        match self {
            ShearX => affine(image, [1.0, signed, 0.0, 0.0, 1.0, 0.0], bicubic),
            ShearY => affine(image, [1.0, 0.0, 0.0, signed, 1.0, 0.0], bicubic),
            TranslateX => affine(image, [1.0, 0.0, signed * side(image) as f64, 0.0, 1.0, 0.0], nearest),
            TranslateY => affine(image, [1.0, 0.0, 0.0, 0.0, 1.0, signed * side(image) as f64], nearest),
            Rotate => {
                let (sin, cos) = m.to_radians().sin_cos();
                let centre = side(image) as f64 / 2.0;
                let (sin, cos) = (-sin, cos);
                // Counter-clockwise round the middle.
                let c = centre - cos * centre - sin * centre;
                let f = centre + sin * centre - cos * centre;
                affine(image, [cos, sin, c, -sin, cos, f], nearest)
            }
            Color => blend(&grey(image), image, 1.0 + signed),
            Contrast => {
                let grey = grey(image);
                let area = area(image);
                let mean = grey[..area].iter().map(|&v| f64::from(v)).sum::<f64>() / area as f64;
                blend(&vec![(mean + 0.5) as u8; image.len()], image, 1.0 + signed)
            }
            Brightness => blend(&vec![0; image.len()], image, 1.0 + signed),
            Sharpness => blend(&smooth(image), image, 1.0 + signed),
            Posterize => {
                let mask = !0_u8 << (8 - m.round() as u32).min(8);
                image.iter().map(|v| v & mask).collect()
            }
            Solarize => image.iter().map(|&v| if f64::from(v) < m { v } else { 255 - v }).collect(),
            AutoContrast => by_channel(image, autocontrast),
            Equalize => by_channel(image, equalize),
            Invert => image.iter().map(|v| 255 - v).collect(),
        }
    }
}

/// What a network that learns sees of a picture: a part of it, as `recipe` changes it, before its values are normalised.
pub fn augmented(view: &View, picture: &Picture, recipe: &Recipe, rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut image = if recipe.crop_and_flip { crop(view, picture, rng) } else { view.middle(picture) };
    if recipe.crop_and_flip && recipe.mirror && rng.random::<bool>() {
        image.chunks_mut(view.width.max(1)).for_each(<[u8]>::reverse);
    }
    if recipe.auto_augment {
        for (operation, probability, magnitude) in POLICY[rng.random_range(0..POLICY.len())] {
            let negative = rng.random::<bool>();
            if rng.random::<f64>() < probability {
                image = operation.apply(&image, magnitude, negative);
            }
        }
    }
    image
}

/// Sets a random rectangle of normalised values to zero, with the recipe's probability.
pub fn erase(values: &mut [f32], recipe: &Recipe, rng: &mut Xoshiro256PlusPlus) {
    if rng.random::<f64>() >= recipe.erasing {
        return;
    }
    let (plane, side) = (area(values), side(values));
    for _ in 0..10 {
        let area = plane as f64 * rng.random_range(0.02..0.33);
        let aspect = rng.random_range(0.3..3.3_f64);
        let (h, w) = ((area * aspect).sqrt().round() as usize, (area / aspect).sqrt().round() as usize);
        if h < side && w < side {
            let (top, left) = (rng.random_range(0..=side - h), rng.random_range(0..=side - w));
            for plane in values.chunks_mut(plane) {
                plane.chunks_mut(side).skip(top).take(h).for_each(|row| row[left..left + w].fill(0.0));
            }
            return;
        }
    }
}

/// A random part of the picture. Where the network sees whole images, it reaches beyond the edge.
fn crop(view: &View, picture: &Picture, rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let (across, down) = if view.sees_all() { (view.width / PADDING, view.height / PADDING) } else { (0, 0) };
    let mut place = |spare: usize, beyond: usize| {
        rng.random_range(0..=spare + 2 * beyond).cast_signed() - beyond.cast_signed()
    };
    let left = place(picture.width.saturating_sub(view.width), across);
    let top = place(picture.height.saturating_sub(view.height), down);
    view.part(picture, top, left)
}

/// Each pixel from where `matrix` sends its middle; grey beyond the edge.
fn affine(image: &[u8], matrix: [f64; 6], sample: fn(&[u8], usize, f64, f64) -> Option<u8>) -> Vec<u8> {
    let [a, b, c, d, e, f] = matrix;
    let side = side(image);
    let mut out = Vec::with_capacity(image.len());
    for plane in image.chunks(area(image)) {
        for at in 0..plane.len() {
            let (x, y) = ((at % side) as f64 + 0.5, (at / side) as f64 + 0.5);
            out.push(sample(plane, side, a * x + b * y + c, d * x + e * y + f).unwrap_or(GREY));
        }
    }
    out
}

fn inside(side: usize, x: f64, y: f64) -> bool {
    let side = side as f64;
    (0.0..side).contains(&x) && (0.0..side).contains(&y)
}

fn nearest(plane: &[u8], side: usize, x: f64, y: f64) -> Option<u8> {
    inside(side, x, y).then(|| plane[y as usize * side + x as usize])
}

fn bicubic(plane: &[u8], side: usize, x: f64, y: f64) -> Option<u8> {
    if !inside(side, x, y) {
        return None;
    }
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let at = |row: f64, column: f64| {
        let clip = |v: f64| v.clamp(0.0, (side - 1) as f64) as usize;
        f64::from(plane[clip(row) * side + clip(column)])
    };
    // The cubic through four values with slope −½.
    let cubic = |v: [f64; 4], d: f64| {
        let [p1, p2, p3, p4] =
            [v[1], v[2] - v[0], 2.0 * (v[0] - v[1]) + v[2] - v[3], v[1] - v[0] + v[3] - v[2]];
        p1 + d * (p2 + d * (p3 + d * p4))
    };
    let row = |offset: f64| cubic([-1.0, 0.0, 1.0, 2.0].map(|c| at(top + offset, left + c)), x - left);
    let value = cubic([-1.0, 0.0, 1.0, 2.0].map(row), y - top);
    Some(if value <= 0.0 {
        0
    } else if value >= 255.0 {
        255
    } else {
        value as u8
    })
}

/// `base` plus so much of the difference to `image`.
fn blend(base: &[u8], image: &[u8], share: f64) -> Vec<u8> {
    let share = share as f32;
    let mix = |(&base, &value): (&u8, &u8)| {
        let mixed = f32::from(base) + share * (f32::from(value) - f32::from(base));
        mixed.clamp(0.0, 255.0) as u8
    };
    base.iter().zip(image).map(mix).collect()
}

/// Luma in all three channels.
fn grey(image: &[u8]) -> Vec<u8> {
    let area = area(image);
    let luma = |at: usize| {
        let [r, g, b] = [0, 1, 2].map(|channel| u32::from(image[channel * area + at]));
        ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
    };
    let plane: Vec<u8> = (0..area).map(luma).collect();
    plane.repeat(3)
}

/// Each pixel with five shares of itself and one of each neighbour; the edge stays.
fn smooth(image: &[u8]) -> Vec<u8> {
    let mut out = image.to_vec();
    let (area, side) = (area(image), side(image));
    let inner = 1..side.saturating_sub(1);
    for (to, from) in out.chunks_mut(area).zip(image.chunks(area)) {
        for (y, x) in inner.clone().flat_map(|y| inner.clone().map(move |x| (y, x))) {
            let mut sum = 4.0 * f32::from(from[y * side + x]);
            for row in [y - 1, y, y + 1] {
                sum +=
                    from[row * side + x - 1..=row * side + x + 1].iter().map(|&v| f32::from(v)).sum::<f32>();
            }
            to[y * side + x] = (sum / 13.0 + 0.5) as u8;
        }
    }
    out
}

/// The image with the values of each channel looked up in a table made from the channel.
fn by_channel(image: &[u8], table: fn(&[u8]) -> [u8; 256]) -> Vec<u8> {
    image
        .chunks(area(image))
        .flat_map(|plane| {
            let table = table(plane);
            plane.iter().map(move |&v| table[usize::from(v)])
        })
        .collect()
}

fn autocontrast(plane: &[u8]) -> [u8; 256] {
    let low = plane.iter().copied().min().unwrap_or(0);
    let high = plane.iter().copied().max().unwrap_or(0);
    std::array::from_fn(|v| {
        if high <= low {
            return v as u8;
        }
        let scale = 255.0 / (f64::from(high) - f64::from(low));
        (v as f64 * scale - f64::from(low) * scale).clamp(0.0, 255.0) as u8
    })
}

fn equalize(plane: &[u8]) -> [u8; 256] {
    let mut counts = [0_usize; 256];
    plane.iter().for_each(|&v| counts[usize::from(v)] += 1);
    let last = counts.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
    let step = (plane.len() - last) / 255;
    if counts.iter().filter(|&&count| count > 0).count() <= 1 || step == 0 {
        return std::array::from_fn(|v| v as u8);
    }
    let mut sum = step / 2;
    std::array::from_fn(|v| {
        let value = (sum / step).min(255) as u8;
        sum += counts[v];
        value
    })
}
