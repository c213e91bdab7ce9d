//! Images and targets as the recipe changes them.

use edgezen::images::{Picture, View};
use edgezen::plainnet::Shape;
use edgezen::train::augment::Operation::*;
use edgezen::train::augment::{augmented, erase};
use edgezen::train::cifar::{IMAGE, SIDE};
use edgezen::train::recipe::Recipe;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

const PLANE: usize = SIDE * SIDE;
/// What stands beyond the edge of moved images.
const GREY: u8 = 128;

fn image() -> Vec<u8> {
    (0..IMAGE).map(|at| (at * 7 + at / 32 * 3) as u8).collect()
}

#[test]
fn no_magnitude_is_no_change() {
    let image = image();
    for operation in [ShearX, ShearY, TranslateX, TranslateY, Rotate, Color, Contrast, Sharpness, Brightness]
    {
        assert_eq!(operation.apply(&image, 0, false), image, "{operation:?}");
    }
    assert_eq!(Invert.apply(&Invert.apply(&image, 3, false), 3, false), image);
    assert_eq!(Solarize.apply(&image, 0, false), image);
    assert_eq!(Posterize.apply(&image, 0, false), image);
}

#[test]
fn operations_do_what_they_are_called() {
    let mut image = vec![10; IMAGE];
    image[5 * SIDE + 20] = 210;
    let right = TranslateX.apply(&image, 2, true);
    // 0.1007 of 32 pixels.
    assert_eq!((right[5 * SIDE + 23], right[5 * SIDE]), (210, GREY));
    let bright = Brightness.apply(&image, 9, false);
    assert_eq!((bright[0], bright[5 * SIDE + 20]), (19, 255));
    assert_eq!(Brightness.apply(&image, 9, true)[5 * SIDE + 20], 21);
    let contrast = AutoContrast.apply(&image, 0, false);
    assert_eq!((contrast[0], contrast[5 * SIDE + 20], contrast[PLANE]), (0, 255, 10));
    assert_eq!(Posterize.apply(&image, 9, false)[5 * SIDE + 20], 208);
    assert_eq!(Solarize.apply(&image, 9, false)[0], 245);
    // A quarter of a turn would move the corner; thirty degrees fill it.
    assert_eq!(Rotate.apply(&image, 9, false)[0], GREY);
}

#[test]
fn crops_reach_beyond_the_edge_and_erased_parts_are_zero() {
    let view = View::of(Shape::square(3, SIDE as u32));
    let picture =
        Picture { height: SIDE, width: SIDE, planes: (0..IMAGE).map(|at| 1 + (at % 200) as u8).collect() };
    let plain = Recipe { auto_augment: false, mirror: false, ..Recipe::default() };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let (mut shifted, mut most) = (0, 0);
    for _ in 0..200 {
        let seen = augmented(&view, &picture, &plain, &mut rng);
        let dark = seen[..PLANE].chunks(SIDE).take_while(|row| row.iter().all(|&v| v == 0)).count();
        shifted += usize::from(seen != picture.planes);
        most = most.max(dark);
    }
    assert!(shifted > 190 && most == 4, "{shifted} {most}");
    let whole = Recipe { crop_and_flip: false, ..plain };
    assert_eq!(augmented(&view, &picture, &whole, &mut rng), picture.planes);
    // Of larger images a network sees a part, and nothing beyond the edge.
    let large = View::of(Shape::square(3, 112));
    let picture = Picture { height: 128, width: 200, planes: vec![7; 3 * 128 * 200] };
    for _ in 0..20 {
        assert!(augmented(&large, &picture, &plain_of_large(), &mut rng).iter().all(|&value| value == 7));
    }
    let recipe = Recipe { erasing: 1.0, ..Recipe::default() };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut share = 0.0;
    for _ in 0..200 {
        let mut values = vec![1.0_f32; IMAGE];
        erase(&mut values, &recipe, &mut rng);
        share += values.iter().filter(|&&v| v == 0.0).count() as f64 / IMAGE as f64 / 200.0;
    }
    assert!((0.14..0.2).contains(&share), "{share}");
}

fn plain_of_large() -> Recipe {
    Recipe { auto_augment: false, ..Recipe::default() }
}

#[test]
fn means_of_weights_forget_the_beginning() {
    let recipe = Recipe { ema: Some(0.99), ..Recipe::default() };
    assert_eq!(Recipe::default().kept_in_mean(5), None);
    assert_eq!([0, 90, 100_000].map(|steps| recipe.kept_in_mean(steps).unwrap()), [0.1, 0.91, 0.99]);
}

#[test]
fn the_rate_rises_and_falls() {
    let recipe = Recipe { epochs: 30, ..Recipe::default() };
    assert_eq!(recipe.rate(64, 50_000), 0.025 * 65.0 / 250_000.0);
    assert!((recipe.rate(250_000, 50_000) - 0.025).abs() < 1e-9);
    let middle = (250_000 + 1_500_000) / 2;
    assert!((recipe.rate(middle, 50_000) - 0.0125).abs() < 1e-6);
    assert!(recipe.rate(1_500_000, 50_000).abs() < 1e-12);
}

#[test]
fn mixtures_have_the_moments_of_their_distribution() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let numbers: Vec<f64> = (0..40_000).map(|_| Recipe::default().mixture(&mut rng)).collect();
    let mean = numbers.iter().sum::<f64>() / 40_000.0;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40_000.0;
    assert!((mean - 0.5).abs() < 0.01, "{mean}");
    // 1 / (4 (2a + 1))
    assert!((variance - 1.0 / 5.6).abs() < 0.003, "{variance}");
}

#[test]
fn targets_sum_to_one() {
    let target = Recipe::default().target(3, 10);
    assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6 && (target[3] - 0.91).abs() < 1e-6);
}
