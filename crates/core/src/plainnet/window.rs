//! Windows of networks that others drew: any sides, strides, dilation and padding.

use serde::{Deserialize, Serialize};

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
