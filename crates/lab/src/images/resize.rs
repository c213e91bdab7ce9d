//! Images of any size as the maps that networks read.

use super::decode::Pixels;

/// The planes of red, green and blue of the middle of an image, one after another, each of the sides `to` (height first). The
/// shorter side of what is seen is `kept` of that of the image. Pixels are averaged with weights that fall linearly
/// with the distance.
pub fn centre(pixels: &Pixels, to: [usize; 2], kept: f64) -> Vec<f32> {
    let from = [pixels.height, pixels.width];
    // Pixels of the image for each of the result.
    let step = (0..2).map(|axis| kept * from[axis] as f64 / to[axis] as f64).fold(f64::INFINITY, f64::min);
    let [rows, columns] = [0, 1].map(|axis| weights(from[axis], to[axis], step));
    let mut wide = vec![0.0_f32; 3 * from[0] * to[1]];
    for (y, line) in pixels.rgb.chunks_exact(3 * pixels.width).enumerate() {
        for (x, (first, weights)) in columns.iter().enumerate() {
            for (offset, weight) in weights.iter().enumerate() {
                for channel in 0..3 {
                    let value = f32::from(line[3 * (first + offset) + channel]);
                    wide[(channel * from[0] + y) * to[1] + x] += weight * value;
                }
            }
        }
    }
    let mut planes = vec![0.0_f32; 3 * to[0] * to[1]];
    for channel in 0..3 {
        for (y, (first, weights)) in rows.iter().enumerate() {
            for (offset, weight) in weights.iter().enumerate() {
                let source = &wide[(channel * from[0] + first + offset) * to[1]..][..to[1]];
                let target = &mut planes[(channel * to[0] + y) * to[1]..][..to[1]];
                target.iter_mut().zip(source).for_each(|(target, source)| *target += weight * source);
            }
        }
    }
    planes
}

/// For each place of the result, the first pixel that counts and the weights of it and those after it.
fn weights(from: usize, to: usize, step: f64) -> Vec<(usize, Vec<f32>)> {
    let start = (from as f64 - step * to as f64) / 2.0;
    let reach = step.max(1.0);
    (0..to)
        .map(|place| {
            let middle = start + step * (place as f64 + 0.5);
            let first = ((middle - reach).floor().max(0.0) as usize).min(from - 1);
            let end = ((middle + reach).ceil().max(0.0) as usize).clamp(first + 1, from);
            let weight = |pixel: usize| (1.0 - (pixel as f64 + 0.5 - middle).abs() / reach).max(0.0);
            let mut weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            if sum == 0.0 {
                weights.fill(1.0);
            }
            let sum = if sum == 0.0 { weights.len() as f64 } else { sum };
            (first, weights.into_iter().map(|weight| (weight / sum) as f32).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_kept_and_means_are_means() {
        // A ramp from left to right, wider than high.
        let (width, height) = (12, 6);
        let rgb = (0..height).flat_map(|_| (0..width).flat_map(|x| [10 * x as u8, 7, 0])).collect();
        let pixels = Pixels { width, height, rgb };
        let planes = centre(&pixels, [3, 3], 1.0);
        // Pixels 3 to 8 are seen, two at a time; their middles lie at 4, 6 and 8 pixels, of values 35, 55 and 75.
        for (found, expected) in planes[..3].iter().zip([35.0, 55.0, 75.0]) {
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
        assert!(planes[9..18].iter().all(|value| (value - 7.0).abs() < 1e-4));
        assert!(planes[18..].iter().all(|&value| value == 0.0));
        // Larger than the image, and of a single pixel.
        let one = Pixels { width: 1, height: 1, rgb: vec![9, 8, 7] };
        assert_eq!(
            centre(&one, [2, 3], 0.875),
            [9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0]
        );
    }
}
