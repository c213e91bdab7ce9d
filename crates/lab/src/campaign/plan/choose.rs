//! Which kernels of many to measure: those far from all that is measured already, nearer where a predictor of it
//! errs more. Space-filling first, then in rounds (decision 043).

use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};

/// How often a kernel's neighbours are asked for their error.
const NEIGHBOURS: usize = 8;

/// A kernel as a point: sizes in octaves, the rest in steps that cost about as much.
pub(super) type Point = [f64; 9];

/// A kernel that was measured, and how wrong a predictor that had not seen it was (relative; 0.1 is 10 %).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    pub kernel: Kernel,
    pub error: f64,
}

/// Positions in `pool` of `count` kernels, the most useful first. `measured` are known already; without any,
/// the first of the pool starts. Ties go to the earlier one: shuffle the pool by a seed.
pub fn choose(pool: &[Kernel], measured: &[Judged], count: usize) -> Vec<usize> {
    let points: Vec<Point> = pool.iter().map(position).collect();
    let known: Vec<(Point, f64)> = measured.iter().map(|one| (position(&one.kernel), one.error)).collect();
    let weight: Vec<f64> = points.iter().map(|point| difficulty(point, &known).sqrt()).collect();
    let mut distance = vec![f64::INFINITY; pool.len()];
    for (point, _) in &known {
        approach(&mut distance, &points, point);
    }
    let mut chosen = Vec::with_capacity(count.min(pool.len()));
    let mut taken = vec![false; pool.len()];
    while chosen.len() < count.min(pool.len()) {
        let gain = |i: usize| weight[i] * distance[i].sqrt();
        let mut best: Option<usize> = None;
        for i in (0..pool.len()).filter(|&i| !taken[i]) {
            if best.is_none_or(|best| gain(i) > gain(best)) {
                best = Some(i);
            }
        }
        let Some(best) = best else { break };
        taken[best] = true;
        chosen.push(best);
        approach(&mut distance, &points, &points[best]);
    }
    chosen
}

/// The squared distance of each point to the nearest known one, when `to` becomes known, too.
pub(super) fn approach(distance: &mut [f64], points: &[Point], to: &Point) {
    for (distance, point) in distance.iter_mut().zip(points) {
        *distance = distance.min(squared(point, to));
    }
}

/// The error to expect at `point`: the mean of the measured ones nearest to it; 1 where nothing was measured.
fn difficulty(point: &Point, known: &[(Point, f64)]) -> f64 {
    if known.is_empty() {
        return 1.0;
    }
    let mut near: Vec<(f64, f64)> =
        known.iter().map(|(other, error)| (squared(point, other), *error)).collect();
    let count = NEIGHBOURS.min(near.len());
    near.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0));
    // Never nothing: a lucky neighbourhood is looked at once more in time.
    (near[..count].iter().map(|(_, error)| error).sum::<f64>() / count as f64).max(1e-3)
}

fn squared(a: &Point, b: &Point) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

pub(super) fn position(kernel: &Kernel) -> Point {
    let octaves = |n: u32| f64::from(n.max(1)).log2();
    let step = |is: bool| f64::from(u8::from(is));
    let kind = KernelKind::ALL.iter().position(|kind| *kind == kernel.kind).unwrap_or(0);
    [
        octaves(kernel.in_c),
        octaves(kernel.out_c),
        octaves(kernel.in_h) * 1.5,
        octaves(kernel.kernel) * 1.5,
        octaves(kernel.stride) * 2.0,
        step(kernel.residual) * 2.0,
        step(kernel.act == Act::None) * 2.0,
        octaves(kernel.batch) * 0.3,
        kind as f64 * 6.0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(in_c: u32, side: u32) -> Kernel {
        Kernel {
            kind: KernelKind::Conv,
            batch: 1,
            in_c,
            out_c: 64,
            in_h: side,
            in_w: side,
            kernel: 3,
            stride: 1,
            groups: 1,
            act: Act::Relu,
            residual: false,
            window: None,
        }
    }

    #[test]
    fn borders_come_first_and_nothing_twice() {
        let pool: Vec<Kernel> = (3..=9).map(|power| kernel(1 << power, 14)).collect();
        let order = choose(&pool, &[], 7);
        assert_eq!(&order[..3], [0, 6, 3]);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..7).collect::<Vec<_>>());
        // More than there are.
        assert_eq!(choose(&pool, &[], 100).len(), 7);
        assert!(choose(&[], &[], 3).is_empty());
        // What is measured already is not needed again as long as there is something else.
        let measured = [Judged { kernel: pool[0], error: 0.1 }];
        assert_eq!(choose(&pool, &measured, 1), [6]);
    }

    #[test]
    fn more_where_the_predictor_errs() {
        let pool: Vec<Kernel> = (0..200).map(|i| kernel(8 + 8 * (i % 20), 7 * (1 + i / 20))).collect();
        let judge =
            |kernel: &Kernel| Judged { kernel: *kernel, error: if kernel.in_h < 32 { 0.4 } else { 0.02 } };
        let measured: Vec<Judged> = pool.iter().step_by(9).map(judge).collect();
        let small = |chosen: &[usize]| chosen.iter().filter(|&&i| pool[i].in_h < 32).count();
        let even: Vec<Judged> = measured.iter().map(|one| Judged { error: 0.1, ..*one }).collect();
        let (guided, blind) = (choose(&pool, &measured, 40), choose(&pool, &even, 40));
        assert!(small(&guided) > small(&blind), "{} {}", small(&guided), small(&blind));
    }
}
