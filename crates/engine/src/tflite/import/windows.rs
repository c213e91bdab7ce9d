//! How the windows of convolutions and pools lie on their maps.

use edgezen_core::plainnet::Window;

/// Largest kernel, stride or dilation that is taken for one of a network rather than damage.
const LARGEST: i32 = 4_095;

/// What an operator says of its windows, height first.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Zeros stand around the map so that there are as many windows as strides.
    pub same: bool,
    pub kernel: [usize; 2],
    pub stride: [i32; 2],
    pub dilation: [i32; 2],
}

impl Walk {
    /// The window of this walk over a map of these `sides`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn window(self, sides: [usize; 2]) -> Result<Window, String> {
        let number = |number: i32| u32::try_from(number).ok().filter(|_| (1..=LARGEST).contains(&number));
        let numbers = |[h, w]: [i32; 2]| number(h).zip(number(w)).map(|(h, w)| [h, w]);
        let kernel = self.kernel.map(|side| i32::try_from(side).unwrap_or(i32::MAX));
        let all = (numbers(kernel), numbers(self.stride), numbers(self.dilation));
        let (Some(kernel), Some(stride), Some(dilation)) = all else {
            return Err(format!(
                "windows of {kernel:?}, {:?} apart, dilated {:?}",
                self.stride, self.dilation
            ));
        };
        let mut out = [0; 2];
        for axis in 0..2 {
            let reach = (kernel[axis] as usize - 1) * dilation[axis] as usize + 1;
            let (side, step) = (sides[axis], stride[axis] as usize);
            let places = match self.same {
                true => side.div_ceil(step),
                false => (side + 1).saturating_sub(reach).div_ceil(step),
            };
            out[axis] = u32::try_from(places)
                .ok()
                .filter(|&places| places > 0)
                .ok_or_else(|| format!("windows of {reach} on a side of {side}"))?;
        }
        Ok(Window { kernel, stride, dilation, out, transposed: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_by_hand() {
        let walk = |same, kernel: usize, stride, dilation| Walk {
            same,
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [dilation; 2],
        };
        let out = |walk: Walk, side| walk.window([side; 2]).map(|window| window.out[0]);
        assert_eq!(out(walk(true, 3, 2, 1), 224), Ok(112));
        assert_eq!(out(walk(true, 3, 2, 1), 7), Ok(4));
        assert_eq!(out(walk(false, 3, 2, 1), 226), Ok(112));
        assert_eq!(out(walk(false, 3, 1, 2), 9), Ok(5));
        assert_eq!(out(walk(false, 2, 2, 1), 7), Ok(3));
        assert!(out(walk(false, 5, 1, 1), 4).is_err());
        assert!(out(walk(true, 3, 0, 1), 4).is_err() && out(walk(true, 0, 1, 1), 4).is_err());
    }
}
