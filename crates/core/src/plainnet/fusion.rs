//! Which operations a runtime runs inside the kernel of the convolution before them: what its rewritten graphs show, as data.

use super::graph::Act;

/// What one runtime fuses. All fold a normalisation into the convolution before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fusion {
    /// Activations that run inside the kernel before them.
    acts: &'static [Act],
    /// The same, where that kernel adds another map to its result.
    acts_after_sums: &'static [Act],
    /// Whether the sum of a convolution's result and another map runs inside the convolution.
    pub sums: bool,
}

impl Fusion {
    /// What predictors assume of runtimes whose graphs nobody has looked at: that they fuse whatever can be.
    pub const ALL: Fusion = Fusion { acts: &Act::ALL, acts_after_sums: &Act::ALL, sums: true };

    /// ONNX Runtime 1.32 on x86, whose convolutions work on maps with blocks of channels (`com.microsoft.nchwc`): its Swish is
    /// a kernel of its own (`QuickGelu`), and so is a ReLU6 behind a sum (`Clip`). A test reads its rewritten graphs.
    pub const ONNX_RUNTIME: Fusion = Fusion {
        acts: &[Act::None, Act::Relu, Act::Relu6, Act::Sigmoid, Act::HardSwish, Act::HardSigmoid],
        acts_after_sums: &[Act::None, Act::Relu, Act::Sigmoid, Act::HardSwish, Act::HardSigmoid],
        sums: true,
    };

    /// The same in 8-bit integers: a convolution clamps its result, and that is all.
    pub const ONNX_RUNTIME_INT8: Fusion = Fusion {
        acts: &[Act::None, Act::Relu, Act::Relu6],
        acts_after_sums: &[Act::None, Act::Relu, Act::Relu6],
        sums: false,
    };

    /// LiteRT with XNNPACK: a convolution or a sum clamps its result, and that is all.
    pub const LITERT: Fusion = Fusion {
        acts: &[Act::None, Act::Relu, Act::Relu6],
        acts_after_sums: &[Act::None, Act::Relu, Act::Relu6],
        sums: false,
    };

    /// Whether `act` runs inside the kernel before it, which adds another map to its result if it is `residual`.
    pub fn fuses(&self, act: Act, residual: bool) -> bool {
        let acts = if residual { self.acts_after_sums } else { self.acts };
        acts.contains(&act)
    }
}
