//! The borders between the bins of a feature, laid out to be looked up quickly: which of eight rungs, then which of
//! the sixteen borders on it. Both are counted rather than searched, so that nothing waits for a comparison.

use super::MAX_BINS;
use pulp::{Simd, WithSimd, bytemuck};
use serde::{Deserialize, Serialize};

const RUNGS: usize = 8;
/// As many as the widest registers hold.
const ON_RUNG: usize = 16;

/// Ascending and finite; a value's bin is the number of borders below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct Borders {
    count: usize,
    /// The last border of each rung; infinite where there is none.
    last: [f32; ON_RUNG],
    rungs: [[f32; ON_RUNG]; RUNGS],
}

impl Borders {
    /// Of a list that does not descend, without what no border can be. Borders are as files hold them: two that only
    /// differ beyond the sixth digit would be one there.
    pub fn between(mut list: Vec<f32>) -> Borders {
        list.iter_mut().for_each(|border| *border = six_digits(*border));
        list.retain(|border| border.is_finite());
        list.dedup();
        list.truncate(MAX_BINS - 1);
        Borders::laid_out(&list)
    }

    fn laid_out(list: &[f32]) -> Borders {
        let mut rungs = [[f32::INFINITY; ON_RUNG]; RUNGS];
        list.iter().enumerate().for_each(|(i, &border)| rungs[i / ON_RUNG][i % ON_RUNG] = border);
        let mut last = [f32::INFINITY; ON_RUNG];
        last.iter_mut().zip(&rungs).for_each(|(last, rung)| *last = rung[ON_RUNG - 1]);
        Borders { count: list.len(), last, rungs }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub fn bin_of(&self, value: f32) -> u8 {
        let below = |borders: &[f32]| borders.iter().map(|&border| u32::from(border < value)).sum::<u32>();
        let rung = below(&self.last[..RUNGS]) as usize % RUNGS;
        (rung * ON_RUNG) as u8 + below(&self.rungs[rung]) as u8
    }

    /// The bin of each value.
    pub(super) fn bins_of(&self, values: &[f32], bins: &mut [u8]) {
        pulp::Arch::new().dispatch(Lookup { borders: self, values, bins });
    }
}

/// A look-up of several values, in one register for a rung where there are such.
struct Lookup<'a> {
    borders: &'a Borders,
    values: &'a [f32],
    bins: &'a mut [u8],
}

impl WithSimd for Lookup<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Lookup { borders: Borders { last, rungs, .. }, values, bins } = self;
        let a_bit_each = size_of::<S::m32s>() == size_of::<u16>();
        if S::F32_LANES != ON_RUNG || !a_bit_each {
            bins.iter_mut().zip(values).for_each(|(bin, &value)| *bin = self.borders.bin_of(value));
            return;
        }
        let last = S::as_simd_f32s(last).0[0];
        for (bin, &value) in bins.iter_mut().zip(values) {
            let value = simd.splat_f32s(value);
            let below: u16 = bytemuck::cast(simd.less_than_f32s(last, value));
            let rung = below.count_ones() as usize % RUNGS;
            let on_it = S::as_simd_f32s(&rungs[rung]).0[0];
            let below: u16 = bytemuck::cast(simd.less_than_f32s(on_it, value));
            *bin = (rung * ON_RUNG) as u8 + below.count_ones() as u8;
        }
    }
}

fn six_digits(value: f32) -> f32 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

impl TryFrom<Vec<f32>> for Borders {
    type Error = String;

    fn try_from(list: Vec<f32>) -> Result<Borders, String> {
        let ascending = list.windows(2).all(|pair| pair[0] < pair[1]);
        if list.len() >= MAX_BINS || !ascending || !list.iter().all(|border| border.is_finite()) {
            return Err(format!("bin borders are not fewer than {MAX_BINS} ascending finite numbers"));
        }
        Ok(Borders::laid_out(&list))
    }
}

impl From<Borders> for Vec<f32> {
    fn from(borders: Borders) -> Vec<f32> {
        borders.rungs.into_iter().flatten().take(borders.count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_the_borders_below() {
        for count in [0, 1, 7, 8, 9, 64, 125, 126] {
            let list: Vec<f32> = (0..count).map(|i| 1.5 * i as f32).collect();
            let borders = Borders::try_from(list.clone()).unwrap();
            for value in (-2..400).map(|half| 0.5 * half as f32) {
                let below = list.iter().filter(|&&border| border < value).count();
                assert_eq!(usize::from(borders.bin_of(value)), below, "{value} among {count}");
                let mut bins = [1; 3];
                borders.bins_of(&[value, f32::NAN, f32::INFINITY], &mut bins);
                assert_eq!(bins.map(usize::from), [below, 0, count], "{value} among {count}");
            }
            assert_eq!(Vec::from(borders), list);
        }
        for bad in [vec![1.0, 1.0], vec![2.0, 1.0], vec![f32::NAN], vec![f32::INFINITY], vec![0.5; 200]] {
            assert!(Borders::try_from(bad).is_err());
        }
        // Two borders that files cannot tell apart.
        let near = Borders::between(vec![0.5, 1.000_001_2, 1.000_001_4, f32::INFINITY]);
        assert_eq!(Vec::from(near.clone()), [0.5, 1.0]);
        let text = serde_json::to_string(&near).unwrap();
        assert_eq!(serde_json::from_str::<Borders>(&text).unwrap(), near);
        assert!(Borders::try_from((0..127).map(|i| i as f32).collect::<Vec<_>>()).is_err());
    }
}
