//! What is done to an image before a network sees it: crop, mirror, AutoAugment (the policy that was found
//! for CIFAR-10: Cubuk et al., CVPR 2019), erasing. Operations on pixels compute what Pillow computes.

use super::cifar::{IMAGE, SIDE};
use super::recipe::Recipe;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Pixels around an image that crops may reach into.
pub const PADDING: usize = 4;
/// What stands beyond the edge of moved images.
const GREY: u8 = 128;
const PLANE: usize = SIDE * SIDE;

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
            TranslateX => affine(image, [1.0, 0.0, signed * SIDE as f64, 0.0, 1.0, 0.0], nearest),
            TranslateY => affine(image, [1.0, 0.0, 0.0, 0.0, 1.0, signed * SIDE as f64], nearest),
            Rotate => {
                let (sin, cos) = m.to_radians().sin_cos();
                let centre = SIDE as f64 / 2.0;
                let (sin, cos) = (-sin, cos);
                // Counter-clockwise round the middle.
                let c = centre - cos * centre - sin * centre;
                let f = centre + sin * centre - cos * centre;
                affine(image, [cos, sin, c, -sin, cos, f], nearest)
            }
            Color => blend(&grey(image), image, 1.0 + signed),
            Contrast => {
                let grey = grey(image);
                let mean = grey[..PLANE].iter().map(|&v| f64::from(v)).sum::<f64>() / PLANE as f64;
                blend(&[(mean + 0.5) as u8; IMAGE], image, 1.0 + signed)
            }
            Brightness => blend(&[0; IMAGE], image, 1.0 + signed),
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

/// The image as `recipe` changes it, before its values are normalised.
pub fn augmented(image: &[u8], recipe: &Recipe, rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut image = image.to_vec();
    if recipe.crop_and_flip {
        image = crop(&image, rng.random_range(0..=2 * PADDING), rng.random_range(0..=2 * PADDING));
        if rng.random::<bool>() {
            image.chunks_mut(SIDE).for_each(<[u8]>::reverse);
        }
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
    for _ in 0..10 {
        let area = PLANE as f64 * rng.random_range(0.02..0.33);
        let aspect = rng.random_range(0.3..3.3_f64);
        let (h, w) = ((area * aspect).sqrt().round() as usize, (area / aspect).sqrt().round() as usize);
        if h < SIDE && w < SIDE {
            let (top, left) = (rng.random_range(0..=SIDE - h), rng.random_range(0..=SIDE - w));
            for plane in values.chunks_mut(PLANE) {
                plane.chunks_mut(SIDE).skip(top).take(h).for_each(|row| row[left..left + w].fill(0.0));
            }
            return;
        }
    }
}

/// A part of the image that begins so many pixels right of and below the corner of its black border.
pub fn crop(image: &[u8], left: usize, top: usize) -> Vec<u8> {
    let mut out = vec![0; IMAGE];
    for (to, from) in out.chunks_mut(PLANE).zip(image.chunks(PLANE)) {
        for (y, row) in to.chunks_mut(SIDE).enumerate() {
            let Some(from) = (y + top).checked_sub(PADDING).and_then(|y| from.chunks(SIDE).nth(y)) else {
                continue;
            };
            for (x, value) in row.iter_mut().enumerate() {
                let source = (x + left).checked_sub(PADDING).and_then(|x| from.get(x));
                *value = source.copied().unwrap_or(0);
            }
        }
    }
    out
}

/// Each pixel from where `matrix` sends its middle; grey beyond the edge.
fn affine(image: &[u8], matrix: [f64; 6], sample: fn(&[u8], f64, f64) -> Option<u8>) -> Vec<u8> {
    let [a, b, c, d, e, f] = matrix;
    let mut out = Vec::with_capacity(IMAGE);
    for plane in image.chunks(PLANE) {
        for at in 0..PLANE {
            let (x, y) = ((at % SIDE) as f64 + 0.5, (at / SIDE) as f64 + 0.5);
            out.push(sample(plane, a * x + b * y + c, d * x + e * y + f).unwrap_or(GREY));
        }
    }
    out
}

fn inside(x: f64, y: f64) -> bool {
    let side = SIDE as f64;
    (0.0..side).contains(&x) && (0.0..side).contains(&y)
}

fn nearest(plane: &[u8], x: f64, y: f64) -> Option<u8> {
    inside(x, y).then(|| plane[y as usize * SIDE + x as usize])
}

fn bicubic(plane: &[u8], x: f64, y: f64) -> Option<u8> {
    if !inside(x, y) {
        return None;
    }
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let at = |row: f64, column: f64| {
        let clip = |v: f64| v.clamp(0.0, (SIDE - 1) as f64) as usize;
        f64::from(plane[clip(row) * SIDE + clip(column)])
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
    let luma = |at: usize| {
        let [r, g, b] = [0, 1, 2].map(|channel| u32::from(image[channel * PLANE + at]));
        ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
    };
    let plane: Vec<u8> = (0..PLANE).map(luma).collect();
    plane.repeat(3)
}

/// Each pixel with five shares of itself and one of each neighbour; the edge stays.
fn smooth(image: &[u8]) -> Vec<u8> {
    let mut out = image.to_vec();
    for (to, from) in out.chunks_mut(PLANE).zip(image.chunks(PLANE)) {
        for (y, x) in (1..SIDE - 1).flat_map(|y| (1..SIDE - 1).map(move |x| (y, x))) {
            let mut sum = 4.0 * f32::from(from[y * SIDE + x]);
            for row in [y - 1, y, y + 1] {
                sum +=
                    from[row * SIDE + x - 1..=row * SIDE + x + 1].iter().map(|&v| f32::from(v)).sum::<f32>();
            }
            to[y * SIDE + x] = (sum / 13.0 + 0.5) as u8;
        }
    }
    out
}

/// The image with the values of each channel looked up in a table made from the channel.
fn by_channel(image: &[u8], table: fn(&[u8]) -> [u8; 256]) -> Vec<u8> {
    image
        .chunks(PLANE)
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
    let step = (PLANE - last) / 255;
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
