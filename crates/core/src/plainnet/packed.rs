//! Kernels in two words, for tables of many thousands of them that stay in the caches of a processor.

use super::kernel::Kernel;

/// Bits of a number of channels, of the side of a map, and of the side or stride of a window.
const CHANNELS: u32 = 24;
const SIDE: u32 = 14;
const WINDOW: u32 = 8;

/// All that a kernel for one image is; `None` if it has a window of its own, or sizes that do not fit.
#[inline]
pub fn packed(kernel: &Kernel) -> Option<(u64, u64)> {
    let &Kernel { kind, batch, in_c, out_c, in_h, in_w, kernel: size, stride, groups, act, residual, window } =
        kernel;
    if batch != 1 || window.is_some() {
        return None;
    }
    let too_wide = (in_c | out_c | groups) >> CHANNELS | (in_h | in_w) >> SIDE | (size | stride) >> WINDOW;
    let field = |word: u64, value: u32, bits: u32| word << bits | u64::from(value);
    let channels = field(u64::from(in_c), out_c, CHANNELS);
    let first = field(field(channels, in_h, SIDE), residual.into(), 1);
    let how = stride | (kind as u32) << WINDOW | (act as u32) << (WINDOW + 4);
    let second = field(field(field(u64::from(groups), in_w, SIDE), size, WINDOW), how, WINDOW + 8);
    (too_wide == 0).then_some((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{Window, published};
    use std::collections::HashMap;

    #[test]
    fn kernels_that_differ_are_never_taken_for_each_other() {
        let mut kernels: Vec<Kernel> = ["resnet50", "mobilenet_v2", "zennet_imagenet1k_flops400M_SE_res224"]
            .iter()
            .flat_map(|net| published::by_name(net).unwrap().kernels().unwrap())
            .collect();
        let one = kernels[0];
        kernels.extend([
            Kernel { residual: !one.residual, ..one },
            Kernel { stride: 255, ..one },
            Kernel { in_c: (1 << 24) - 1, ..one },
            Kernel { groups: (1 << 24) - 1, ..one },
        ]);
        let mut by_key: HashMap<(u64, u64), Kernel> = HashMap::new();
        for kernel in &kernels {
            assert_eq!(by_key.entry(packed(kernel).unwrap()).or_insert(*kernel), kernel);
        }
        assert!(by_key.len() > 50, "{}", by_key.len());
        for large in [
            Kernel { batch: 2, ..one },
            Kernel { in_c: 1 << 24, ..one },
            Kernel { in_w: 1 << 14, ..one },
            Kernel { stride: 256, ..one },
            Kernel { window: Some(Window::resized([3, 4])), ..one },
        ] {
            assert_eq!(packed(&large), None, "{large:?}");
        }
    }
}
