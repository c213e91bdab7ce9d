//! Kernels: the pieces of work that a runtime launches, and that latency predictors estimate.
//!
//! TensorRT, TFLite and tract run BN, activation and the residual addition inside the convolution
//! before them, so one kernel stands for `conv + BN + activation (+ residual)`. [`super::lowering::fused`] finds them in
//! a graph. Derived quantities (MACs, parameters, bytes) are defined here and nowhere else.

use super::graph::{Act, Graph, Op};
use super::shape::{MAX_RESOLUTION, Shape};
use super::window::Window;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The kind of work that a kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelKind {
    /// Dense or grouped convolution.
    Conv,
    /// Depthwise convolution.
    Dwconv,
    /// Fully connected layer on a vector.
    Linear,
    /// Max pooling.
    Maxpool,
    /// Average pooling of a whole map (or a grid of cells).
    Pool,
    /// Sum of two maps that is not part of a convolution's kernel.
    Add,
    /// Map times a gate per channel (squeeze-excite).
    Scale,
    /// Activation or normalisation on its own.
    Act,
    /// Concatenation of maps.
    Concat,
}

impl KernelKind {
    pub const ALL: [KernelKind; 9] = [
        KernelKind::Conv,
        KernelKind::Dwconv,
        KernelKind::Linear,
        KernelKind::Maxpool,
        KernelKind::Pool,
        KernelKind::Add,
        KernelKind::Scale,
        KernelKind::Act,
        KernelKind::Concat,
    ];

    pub fn name(self) -> &'static str {
        match self {
            KernelKind::Conv => "conv",
            KernelKind::Dwconv => "dwconv",
            KernelKind::Linear => "linear",
            KernelKind::Maxpool => "maxpool",
            KernelKind::Pool => "pool",
            KernelKind::Add => "add",
            KernelKind::Scale => "scale",
            KernelKind::Act => "act",
            KernelKind::Concat => "concat",
        }
    }
}

impl fmt::Display for KernelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KernelKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        KernelKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let known: Vec<_> = KernelKind::ALL.iter().map(|k| k.name()).collect();
            format!("unknown kernel kind {text:?}; known: {}", known.join(", "))
        })
    }
}

impl Act {
    pub const ALL: [Act; 7] =
        [Act::None, Act::Relu, Act::Relu6, Act::Sigmoid, Act::Swish, Act::HardSwish, Act::HardSigmoid];

    pub fn name(self) -> &'static str {
        match self {
            Act::None => "none",
            Act::Relu => "relu",
            Act::Relu6 => "relu6",
            Act::Sigmoid => "sigmoid",
            Act::Swish => "swish",
            Act::HardSwish => "hard_swish",
            Act::HardSigmoid => "hard_sigmoid",
        }
    }
}

impl FromStr for Act {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Act::ALL.into_iter().find(|act| act.name() == text).ok_or_else(|| {
            let known: Vec<_> = Act::ALL.iter().map(|a| a.name()).collect();
            format!("unknown activation {text:?}; known: {}", known.join(", "))
        })
    }
}

/// One kernel. `in_h`, `in_w` are the input's; the output is ceil(input / stride), unless there is a `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    pub kind: KernelKind,
    pub batch: u32,
    pub in_c: u32,
    pub out_c: u32,
    pub in_h: u32,
    pub in_w: u32,
    pub kernel: u32,
    pub stride: u32,
    pub groups: u32,
    pub act: Act,
    /// A residual addition is part of the kernel.
    pub residual: bool,
    /// How the window differs from a square one with that output; `kernel` and `stride` are its larger sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// Most channels of a kernel: a linear layer reads whole maps.
pub const MAX_KERNEL_CHANNELS: u32 = 1 << 20;
/// Most images of a kernel.
pub const MAX_BATCH: u32 = 1 << 16;
/// Widest window.
pub const MAX_WINDOW: u32 = 4_095;
/// Largest side of a map that a table may hold; larger ones are mistakes.
pub const MAX_SIDE: u32 = 1 << 20;

/// What is wrong with the numbers of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    #[error("{field} {value} is out of range; use 1 to {most}")]
    Range { field: &'static str, value: u32, most: u32 },
    #[error("{groups} groups do not divide {in_c} and {out_c} channels")]
    Groups { groups: u32, in_c: u32, out_c: u32 },
    #[error("kernel {0} is even; only odd ones can be run")]
    Even(u32),
    #[error("a map of {0} is too large to be run")]
    Map(Shape),
}

/// Hashes decide which rows are held out: kernels without a window keep the hash that they had before windows.
impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Kernel { kind, batch, in_c, out_c, in_h, in_w, kernel, stride, groups, act, residual, window } =
            *self;
        (kind, batch, in_c, out_c, in_h, in_w, kernel, stride, groups, act, residual).hash(state);
        if let Some(window) = window {
            window.hash(state);
        }
    }
}

impl Kernel {
    /// Checks that every number is one that a kernel can have, so that products of them mean something.
    ///
    /// # Errors
    /// The first number that is out of range; groups that do not divide the channels.
    pub fn check(&self) -> Result<(), KernelError> {
        let Kernel { batch, in_c, out_c, in_h, in_w, kernel, stride, groups, .. } = *self;
        for (field, value, most) in [
            ("batch", batch, MAX_BATCH),
            ("in_c", in_c, MAX_KERNEL_CHANNELS),
            ("out_c", out_c, MAX_KERNEL_CHANNELS),
            ("in_h", in_h, MAX_SIDE),
            ("in_w", in_w, MAX_SIDE),
            ("kernel", kernel, MAX_WINDOW),
            ("stride", stride, MAX_WINDOW),
            ("groups", groups, MAX_KERNEL_CHANNELS),
        ] {
            if !(1..=most).contains(&value) {
                return Err(KernelError::Range { field, value, most });
            }
        }
        if !in_c.is_multiple_of(groups) || !out_c.is_multiple_of(groups) {
            return Err(KernelError::Groups { groups, in_c, out_c });
        }
        let Some(window) = self.window else { return Ok(()) };
        let windows = window.kernel.into_iter().chain(window.stride).chain(window.dilation);
        let most = [(MAX_WINDOW, windows.max()), (MAX_SIDE, window.out.into_iter().max())];
        let least =
            window.kernel.into_iter().chain(window.stride).chain(window.dilation).chain(window.out).min();
        for (most, value) in most.into_iter().chain([(MAX_SIDE, least)]) {
            if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
                return Err(KernelError::Range { field: "window", value, most });
            }
        }
        Ok(())
    }

    /// As [`Kernel::check`]; also whether the kernel can be run.
    ///
    /// # Errors
    /// As [`Kernel::check`]; an even window, or a map whose elements cannot be counted.
    pub fn check_to_run(&self) -> Result<(), KernelError> {
        self.check()?;
        let map = Shape { c: self.in_c.max(self.out_c), h: self.in_h, w: self.in_w };
        if self.in_h.max(self.in_w) > MAX_RESOLUTION || u32::try_from(map.elements()).is_err() {
            return Err(KernelError::Map(map));
        }
        if self.window.is_none() && self.kernel.is_multiple_of(2) {
            return Err(KernelError::Even(self.kernel));
        }
        Ok(())
    }

    /// The same kernel for another batch.
    pub fn with_batch(self, batch: u32) -> Kernel {
        Kernel { batch, ..self }
    }

    pub fn out_h(&self) -> u32 {
        match (self.kind, self.window) {
            (KernelKind::Pool, _) => 1,
            (_, Some(window)) => window.out[0],
            (_, None) => self.in_h.div_ceil(self.stride.max(1)),
        }
    }
    pub fn out_w(&self) -> u32 {
        match (self.kind, self.window) {
            (KernelKind::Pool, _) => 1,
            (_, Some(window)) => window.out[1],
            (_, None) => self.in_w.div_ceil(self.stride.max(1)),
        }
    }

    /// Pixels under the window.
    pub fn taps(&self) -> u32 {
        self.window.map_or(self.kernel * self.kernel, |window| window.taps())
    }

    /// Whether the kernel is a transposed convolution.
    pub fn is_transposed(&self) -> bool {
        self.window.is_some_and(|window| window.transposed)
    }

    /// Pixels for each of which all weights are read, whole batch: those of the output, or of the input of a
    /// transposed convolution.
    pub fn weighted_pixels(&self) -> f64 {
        let (h, w) = if self.is_transposed() { (self.in_h, self.in_w) } else { (self.out_h(), self.out_w()) };
        f64::from(self.batch) * f64::from(h) * f64::from(w)
    }

    /// Elements of feature maps that are read for the whole batch: the input, and the second operand of a sum, a gate
    /// or a residual addition.
    pub fn input_elements(&self) -> f64 {
        let map = f64::from(self.in_c) * f64::from(self.in_h) * f64::from(self.in_w);
        let second = match self.kind {
            KernelKind::Add => map,
            KernelKind::Scale => f64::from(self.in_c),
            _ => 0.0,
        };
        let residual = if self.residual { self.output_elements() } else { 0.0 };
        f64::from(self.batch) * (map + second) + residual
    }

    /// Elements that are written for the whole batch.
    pub fn output_elements(&self) -> f64 {
        f64::from(self.batch) * f64::from(self.out_c) * f64::from(self.out_h()) * f64::from(self.out_w())
    }

    /// Multiply-accumulates for the whole batch; 0 for kernels that only move data.
    pub fn macs(&self) -> f64 {
        match self.kind {
            _ if self.is_transposed() => self.weighted_pixels() * f64::from(self.out_c) * self.fan_in(),
            KernelKind::Conv | KernelKind::Dwconv | KernelKind::Linear => {
                self.output_elements() * self.fan_in()
            }
            _ => 0.0,
        }
    }

    /// Weights of each output channel: in/groups · k².
    pub fn fan_in(&self) -> f64 {
        match self.kind {
            KernelKind::Conv | KernelKind::Dwconv => {
                f64::from(self.in_c) / f64::from(self.groups.max(1)) * f64::from(self.taps())
            }
            KernelKind::Linear => f64::from(self.in_c),
            _ => 0.0,
        }
    }

    /// Weights and biases (BN is folded into them).
    pub fn params(&self) -> f64 {
        match self.kind {
            KernelKind::Conv | KernelKind::Dwconv | KernelKind::Linear => {
                f64::from(self.out_c) * (self.fan_in() + 1.0)
            }
            _ => 0.0,
        }
    }

    /// Bytes that cross the memory bus at least once for the whole batch.
    pub fn bytes(&self, bytes_per_element: f64) -> f64 {
        (self.input_elements() + self.output_elements() + self.params()) * bytes_per_element
    }

    /// `dwconv 7×7`; the kind alone where kernels of it have no window.
    pub fn kind_and_size(&self) -> String {
        if self.kernel > 1 || matches!(self.kind, KernelKind::Conv | KernelKind::Dwconv) {
            let [h, w] = self.window.map_or([self.kernel; 2], |window| window.kernel);
            format!("{} {h}×{w}", self.kind)
        } else {
            self.kind.to_string()
        }
    }
}

impl fmt::Display for Kernel {
    /// `conv 3×3/2 32→64 @112×112 relu`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_transposed() {
            f.write_str("transposed ")?;
        }
        f.write_str(&self.kind_and_size())?;
        if self.stride > 1 {
            write!(f, "/{}", self.stride)?;
        }
        write!(f, " {}→{} @{}×{}", self.in_c, self.out_c, self.in_h, self.in_w)?;
        if self.window.is_some() {
            write!(f, " to {}×{}", self.out_h(), self.out_w())?;
        }
        if let Some(Window { dilation: [h, w], .. }) = self.window
            && h.max(w) > 1
        {
            write!(f, " dilated {}", h.max(w))?;
        }
        if self.kind == KernelKind::Conv && self.groups > 1 {
            write!(f, " groups {}", self.groups)?;
        }
        if self.act != Act::None {
            write!(f, " {}", self.act.name())?;
        }
        if self.residual {
            f.write_str(" +residual")?;
        }
        if self.batch > 1 {
            write!(f, " ×{}", self.batch)?;
        }
        Ok(())
    }
}

impl Kernel {
    /// The kernel as a graph of the one operation that an eager runtime launches: a convolution has no bias, and a
    /// kernel of kind `act` without activation is a batch normalisation.
    pub fn eager_graph(&self) -> Graph {
        let mut graph = self.graph();
        for node in &mut graph.nodes {
            match &mut node.op {
                Op::Conv { bias, .. } | Op::AnyConv { bias, .. } => *bias = false,
                op @ Op::Act(Act::None) => *op = Op::BatchNorm,
                _ => {}
            }
        }
        graph
    }

    /// The kernel as a graph of its own, as it is measured.
    pub fn graph(&self) -> Graph {
        let mut graph = Graph::new(Shape { c: self.in_c, h: self.in_h, w: self.in_w });
        let Kernel { in_c, out_c, kernel, stride, groups, .. } = *self;
        let mut at = match (self.kind, self.window) {
            (KernelKind::Conv | KernelKind::Dwconv, Some(window)) => {
                graph.push(Op::AnyConv { in_c, out_c, groups, bias: true, window }, vec![0])
            }
            (KernelKind::Conv | KernelKind::Dwconv, None) => {
                graph.push(Op::Conv { in_c, out_c, kernel, stride, groups, bias: true }, vec![0])
            }
            (KernelKind::Linear, _) => {
                let flat = graph.push(Op::Flatten, vec![0]);
                graph.push(Op::Linear { in_c, out_c, bias: true }, vec![flat])
            }
            (KernelKind::Maxpool, Some(window)) => graph.push(Op::AnyPool { window }, vec![0]),
            (KernelKind::Maxpool, None) => graph.push(Op::MaxPool { kernel, stride }, vec![0]),
            (KernelKind::Pool, _) => graph.push(Op::GlobalAvgPool, vec![0]),
            (KernelKind::Add, _) => {
                let other = graph.push_input(graph.input());
                graph.push(Op::Add, vec![0, other])
            }
            (KernelKind::Scale, _) => {
                let gate = graph.push_input(Shape::square(in_c, 1));
                graph.push(Op::Scale, vec![0, gate])
            }
            (KernelKind::Concat, _) => {
                // `in_c` counts the channels of both operands.
                graph.nodes[0].shape.c = in_c.div_ceil(2);
                let other = graph.push_input(Shape { c: in_c / 2, ..graph.input() });
                graph.push(Op::Concat, vec![0, other])
            }
            (KernelKind::Act, Some(window)) => {
                let [h, w] = window.out;
                graph.push(Op::Pass { to: Shape { c: out_c, h, w } }, vec![0])
            }
            (KernelKind::Act, None) => 0,
        };
        if self.residual {
            let other = graph.push_input(graph.nodes[at].shape);
            at = graph.push(Op::Add, vec![at, other]);
        }
        if self.act != Act::None || self.kind == KernelKind::Act {
            graph.push(Op::Act(self.act), vec![at]);
        }
        graph
    }
}
