//! A search space with fewer kernel sizes, or with a head that is varied.

use super::{NetworkRange, SearchSpace, ShapeRules};
use crate::plainnet::{SuperBlock, SuperKind};
use std::fmt;

/// A space whose residual super blocks have some kernel sizes only, or that varies widths which the space that it is made of
/// fixes. Everything else is as there; convolution blocks keep the kernel that they have.
#[derive(Clone)]
pub struct Narrowed<'a> {
    inner: &'a dyn SearchSpace,
    kinds: Vec<(SuperKind, u32)>,
    /// Most width of the convolutions whose width `inner` fixes, where they are varied.
    head: Option<i32>,
}

/// Kernel sizes that no block of a space has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {space} space has no blocks with kernels of size {}; its sizes are {}",
    list(unknown),
    list(known)
)]
pub struct NoSuchKernel {
    pub space: &'static str,
    pub unknown: Vec<u32>,
    pub known: Vec<u32>,
}

fn list(sizes: &[u32]) -> impl fmt::Display {
    let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
    sizes.join(", ")
}

/// The kernel sizes of the residual super blocks of a space, ascending.
pub fn kernel_sizes(space: &dyn SearchSpace) -> Vec<u32> {
    let mut sizes: Vec<u32> = space.kinds().iter().map(|(kind, _)| kind.kernel()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

impl<'a> Narrowed<'a> {
    /// `inner` with blocks of these kernel sizes only.
    ///
    /// # Errors
    /// No sizes, and sizes that the space does not have.
    pub fn new(inner: &'a dyn SearchSpace, sizes: &[u32]) -> Result<Narrowed<'a>, NoSuchKernel> {
        let known = kernel_sizes(inner);
        let unknown: Vec<u32> = sizes.iter().copied().filter(|size| !known.contains(size)).collect();
        if !unknown.is_empty() || sizes.is_empty() {
            return Err(NoSuchKernel { space: inner.name(), unknown, known });
        }
        let kinds =
            inner.kinds().iter().filter(|(kind, _)| sizes.contains(&kind.kernel())).copied().collect();
        Ok(Narrowed { inner, kinds, head: None })
    }

    /// `inner` with all its kernel sizes.
    pub fn whole(inner: &'a dyn SearchSpace) -> Narrowed<'a> {
        Narrowed { inner, kinds: inner.kinds().to_vec(), head: None }
    }

    /// The same space, with convolutions of any width up to `most` where the space fixes the width (the head of the mobilenet
    /// space).
    #[must_use]
    pub fn with_varied_head(mut self, most: i32) -> Narrowed<'a> {
        self.head = Some(most);
        self
    }

    /// Gives every residual block of `blocks` whose kernel size is left out the nearest size that there is.
    pub fn settle(&self, blocks: &mut [SuperBlock]) {
        for block in blocks.iter_mut().filter(|block| !block.kind.is_conv()) {
            if self.kinds.iter().any(|(kind, _)| *kind == block.kind) {
                continue;
            }
            let alike = self
                .kinds
                .iter()
                .map(|(kind, _)| *kind)
                .filter(|kind| kind.with_kernel(0) == block.kind.with_kernel(0));
            let distance = |kind: &SuperKind| kind.kernel().abs_diff(block.kind.kernel());
            block.kind = alike.min_by_key(distance).unwrap_or(block.kind);
        }
    }
}

impl SearchSpace for Narrowed<'_> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn reference_name(&self) -> &'static str {
        self.inner.reference_name()
    }
    fn kinds(&self) -> &[(SuperKind, u32)] {
        &self.kinds
    }
    fn max_channels(&self) -> i32 {
        self.inner.max_channels()
    }
    fn width_is_fixed(&self, kind: SuperKind) -> bool {
        self.head.is_none() && self.inner.width_is_fixed(kind)
    }
    fn most_width(&self, kind: SuperKind) -> i32 {
        match self.head {
            Some(most) if self.inner.width_is_fixed(kind) => most,
            _ => self.inner.most_width(kind),
        }
    }
    fn default_structure(&self) -> &'static str {
        self.inner.default_structure()
    }
    fn profiled(&self) -> Vec<NetworkRange> {
        self.inner.profiled()
    }
    fn shape_rules(&self) -> ShapeRules {
        self.inner.shape_rules()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::notation;
    use crate::space;

    #[test]
    fn only_the_sizes_asked_for_are_left() {
        for space in space::registry() {
            assert_eq!(kernel_sizes(*space), [3, 5, 7]);
            let narrowed = Narrowed::new(*space, &[3, 5]).unwrap();
            assert_eq!(kernel_sizes(&narrowed), [3, 5]);
            assert_eq!(narrowed.kinds().len() * 3, space.kinds().len() * 2);
            let error = Narrowed::new(*space, &[3, 9]).err().unwrap().to_string();
            assert!(error.contains("size 9") && error.contains("3, 5, 7"), "{error}");
            assert!(Narrowed::new(*space, &[]).is_err());
        }
    }

    #[test]
    fn a_varied_head_has_no_more_than_its_most() {
        let space = space::by_name("mobilenet").unwrap();
        let head = SuperKind::Conv { kernel: 1 };
        let narrowed = Narrowed::whole(space).with_varied_head(1280);
        assert!(!narrowed.width_is_fixed(head) && space.width_is_fixed(head));
        assert_eq!(narrowed.most_width(head), 1280);
        assert_eq!(narrowed.most_width(SuperKind::Conv { kernel: 3 }), space.max_channels());
    }

    #[test]
    fn a_start_gets_the_nearest_size() {
        let space = space::by_name("mobilenet").unwrap();
        let narrowed = Narrowed::new(space, &[5]).unwrap();
        let net = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,32,2,8,1)SuperResIDWE2K7(32,48,2,32,1)";
        let mut blocks = notation::parse(net).unwrap().super_blocks("").unwrap();
        narrowed.settle(&mut blocks);
        let kinds: Vec<String> = blocks.iter().map(|block| block.kind.to_string()).collect();
        assert_eq!(kinds, ["SuperConvK3BNRELU", "SuperResIDWE6K5", "SuperResIDWE2K5"]);
    }
}
