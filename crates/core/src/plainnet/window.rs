//! Windows of networks that others drew: any sides, strides, dilation and padding.

use serde::{Deserialize, Serialize};

/// Kernel and stride with which unpadded windows over `side` pixels are the `cells` cells of adaptive pooling. Cell i reaches
/// from pixel ⌊i·side/cells⌋ to ⌈(i+1)·side/cells⌉; `None` where the cells differ in size or distance, which no window
/// can express.
pub fn of_cells(side: u32, cells: u32) -> Option<(u32, u32)> {
    let [wide, count] = [side, cells].map(u64::from);
    if side == 0 || cells == 0 {
        return None;
    }
    let start = |i: u64| i * wide / count;
    let end = |i: u64| ((i + 1) * wide).div_ceil(count);
    let kernel = end(0);
    let stride = if cells == 1 { wide } else { start(1) };
    let even = stride > 0 && (0..count).all(|i| start(i) == i * stride && end(i) == start(i) + kernel);
    even.then_some((u32::try_from(kernel).ok()?, u32::try_from(stride).ok()?))
}

/// How a convolution or a pool walks over its map, height first. The output size is part of it, because it
/// depends on padding and rounding, which cost nothing themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub dilation: [u32; 2],
    /// Height and width of the output.
    pub out: [u32; 2],
    /// Each input pixel is spread over a window of the output, instead of the other way round.
    pub transposed: bool,
}

impl Window {
    /// A window of one pixel whose output has another size than its input: resizing, padding, cropping.
    pub fn resized(out: [u32; 2]) -> Window {
        Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], out, transposed: false }
    }

    /// Pixels under the window.
    pub fn taps(&self) -> u32 {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether more than the output size sets it apart from the windows that PlainNets have.
    pub fn is_odd(&self) -> bool {
        let square = |[h, w]: [u32; 2]| h == w;
        !square(self.kernel) || !square(self.stride) || self.dilation != [1, 1] || self.transposed
    }
}

#[cfg(test)]
mod tests {
    use super::of_cells;

    #[test]
    fn cells_of_adaptive_pooling_are_windows_where_they_are_alike() {
        assert_eq!(of_cells(7, 6), Some((2, 1)));
        // Pixels 0 to 3, 2 to 5 and 4 to 7.
        assert_eq!(of_cells(7, 3), Some((3, 2)));
        assert_eq!(of_cells(12, 6), Some((2, 2)));
        assert_eq!(of_cells(7, 1), Some((7, 7)));
        // Cells that begin at 0, 1, 3 and 5, or at 0, 2 and 5; more cells than pixels; nothing.
        for (side, cells) in [(7, 4), (8, 3), (5, 6), (0, 1), (1, 0)] {
            assert_eq!(of_cells(side, cells), None, "{side} to {cells}");
        }
    }
}
