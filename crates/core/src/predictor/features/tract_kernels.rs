//! Which matrix kernel tract takes for a convolution on a CPU, and how long it thinks that this takes.
//!
//! Tract 0.23 computes a block of the product in registers, rows (channels) × columns (pixels). It takes the kernel with
//! the least cost by a line that was measured for each: so much for each multiply-accumulate with rows and columns
//! rounded up to whole blocks, for each block, for each call, and for reading the weights again for each column of
//! blocks. The figures are those of its source for AMD processors with AVX-512, those of the reference computer. Others
//! choose in the same way among the same or similar kernels; what the choice means is learnt from measurements.

/// A kernel of tract's.
struct Block {
    rows: u64,
    columns: u64,
    ps_per_mac: f64,
    ns_per_block: f64,
    ns_per_call: f64,
}

const fn block(size: (u64, u64), ps_per_mac: f64, ns_per_block: f64, ns_per_call: f64) -> Block {
    Block { rows: size.0, columns: size.1, ps_per_mac, ns_per_block, ns_per_call }
}

const BLOCKS: [Block; 13] = [
    block((16, 12), 8.357, 38.86, 48.7),
    block((16, 8), 8.927, 28.59, 284.8),
    block((32, 5), 7.857, 34.70, 1803.5),
    block((32, 6), 7.571, 38.27, 1450.5),
    block((48, 4), 7.860, 38.11, 3759.0),
    block((64, 3), 8.366, 33.60, 14272.2),
    block((80, 2), 10.657, 55.88, 17345.8),
    block((16, 5), 15.520, 18.32, 21.9),
    block((16, 6), 14.927, 21.96, 596.6),
    block((24, 4), 14.939, 22.75, 0.0),
    block((32, 3), 14.916, 22.09, 1675.0),
    block((40, 2), 16.045, 22.28, 2774.3),
    block((8, 8), 17.292, 19.89, 0.0),
];
/// For each weight that is read again.
const PS_PER_WEIGHT: f64 = 9.746;

/// What tract takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    pub rows: f64,
    pub columns: f64,
    /// What it thinks, for the product of one image.
    pub ns: f64,
}

/// For a product of `channels` × `depth` weights and `pixels` columns, all at least 1.
pub fn choice(channels: u64, depth: f64, pixels: u64) -> Choice {
    let cost = |block: &Block| {
        let (rows, columns) = (block.rows as f64, block.columns as f64);
        let (down, across) = (channels.div_ceil(block.rows) as f64, pixels.div_ceil(block.columns) as f64);
        let weights = down * rows * depth * across;
        let ps = weights * (columns * block.ps_per_mac + PS_PER_WEIGHT);
        Choice { rows, columns, ns: 1e-3 * ps + down * across * block.ns_per_block + block.ns_per_call }
    };
    let first = cost(&BLOCKS[0]);
    BLOCKS[1..].iter().map(cost).fold(first, |best, other| if other.ns < best.ns { other } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fit_the_product() {
        let size = |channels, depth, pixels| {
            let Choice { rows, columns, .. } = choice(channels, depth, pixels);
            (rows, columns)
        };
        // Few channels leave no wide block full, many weights are read as seldom as can be.
        assert_eq!(size(8, 72.0, 3136), (8.0, 8.0));
        assert_eq!(size(16, 72.0, 3136), (16.0, 12.0));
        assert_eq!(size(512, 4608.0, 49).0, 32.0);
        // Two blocks of 16 × 12 and 27 multiply-accumulates for each place in them, each weight twice.
        let Choice { rows, columns, ns } = choice(16, 27.0, 24);
        assert_eq!((rows, columns), (16.0, 12.0));
        let by_hand = 2.0 * (16.0 * 12.0 * 27.0 * 8.357e-3 + 38.86 + 16.0 * 27.0 * 9.746e-3) + 48.7;
        assert!((ns - by_hand).abs() < 1e-9, "{ns} {by_hand}");
    }
}
