//! Kernels: the pieces of work that a runtime launches, and that latency predictors estimate.
//!
//! TensorRT, TFLite and tract run BN, activation and the residual addition inside the convolution
//! before them, so one kernel stands for `conv + BN + activation (+ residual)`. [`fused`] finds them in
//! a graph. Derived quantities (MACs, parameters, bytes) are defined here and nowhere else.

use super::fusion::Fusion;
use super::graph::{Act, Graph, Node, Op};
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

/// How a runtime turns operations into kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lowering {
    /// Normalisation, activation and residual sum run inside the convolution before them.
    Fused,
    /// What ONNX Runtime fuses ([`Fusion::ONNX_RUNTIME`]).
    OnnxRuntime,
    /// What LiteRT fuses ([`Fusion::LITERT`]).
    LiteRt,
    /// Each operation is a kernel of its own, as eager PyTorch runs them.
    Eager,
    /// As PyTorch up to 1.6 runs networks eagerly, in half precision on tensor cores ([`composed`]). These need the
    /// channels of a pixel next to one another, while PyTorch stores one channel after another; so a kernel before each
    /// dense convolution rearranges its input.
    EagerRearranged,
}

impl Lowering {
    pub const ALL: [Lowering; 5] = [
        Lowering::Fused,
        Lowering::OnnxRuntime,
        Lowering::LiteRt,
        Lowering::Eager,
        Lowering::EagerRearranged,
    ];

    /// The lowering of the runtime called `runtime` in `precision`: `torch`, `torch2.1`, … run eagerly, all others
    /// fuse. If latencies of convolutions were `measured` in that runtime, they contain the rearranging.
    pub fn of_runtime(runtime: &str, precision: &str, measured: bool) -> Lowering {
        match (runtime, precision) {
            ("onnxruntime", _) => Lowering::OnnxRuntime,
            ("litert", _) => Lowering::LiteRt,
            (torch, "fp16") if torch.starts_with("torch") && !measured => Lowering::EagerRearranged,
            (torch, _) if torch.starts_with("torch") => Lowering::Eager,
            _ => Lowering::Fused,
        }
    }

    /// What runs inside the kernel of a convolution; `None` where every operation is a kernel.
    pub fn fusion(self) -> Option<Fusion> {
        match self {
            Lowering::Fused => Some(Fusion::ALL),
            Lowering::OnnxRuntime => Some(Fusion::ONNX_RUNTIME),
            Lowering::LiteRt => Some(Fusion::LITERT),
            Lowering::Eager | Lowering::EagerRearranged => None,
        }
    }

    /// The kernels of `graph` for one image, in order.
    pub fn kernels(self, graph: &Graph) -> Vec<Kernel> {
        self.located(graph).into_iter().map(|(_, kernel)| kernel).collect()
    }

    /// The kernels with the node of the graph that each begins at.
    pub fn located(self, graph: &Graph) -> Vec<(usize, Kernel)> {
        match (self, self.fusion()) {
            (_, Some(fusion)) => located(graph, fusion),
            (Lowering::EagerRearranged, None) => rearranged(composed(graph)),
            (_, None) => eager(graph),
        }
    }
}

/// The kernels of `graph` for one image, one for each operation that computes something.
fn eager(graph: &Graph) -> Vec<(usize, Kernel)> {
    let computes = |(_, node): &(usize, &Node)| !is_free(node.op);
    graph.nodes.iter().enumerate().filter(computes).map(|(i, _)| (i, bare(graph, i))).collect()
}

/// The kernels of `graph` for one image, with the node of each, as PyTorch up to 1.6 runs it: it has no operator for Swish
/// and its like, which networks compose of those that it has.
pub fn composed(graph: &Graph) -> Vec<(usize, Kernel)> {
    let mut kernels = Vec::with_capacity(graph.nodes.len());
    for (i, kernel) in eager(graph) {
        let act = |act: Act| Kernel { kind: KernelKind::Act, act, ..kernel };
        // The product of two maps moves as much as their sum.
        let product = Kernel { kind: KernelKind::Add, act: Act::None, ..kernel };
        match (kernel.kind, kernel.act) {
            // x · sigmoid(x)
            (KernelKind::Act, Act::Swish) => kernels.extend([(i, act(Act::Sigmoid)), (i, product)]),
            // relu6(x + 3) / 6
            (KernelKind::Act, Act::HardSigmoid) => {
                kernels.extend([Act::None, Act::Relu6, Act::None].map(|part| (i, act(part))));
            }
            // x · relu6(x + 3) / 6
            (KernelKind::Act, Act::HardSwish) => {
                kernels.extend([
                    (i, act(Act::None)),
                    (i, act(Act::Relu6)),
                    (i, product),
                    (i, act(Act::None)),
                ]);
            }
            _ => kernels.push((i, kernel)),
        }
    }
    kernels
}

/// The kernels with one before each dense convolution that moves its input.
fn rearranged(kernels: Vec<(usize, Kernel)>) -> Vec<(usize, Kernel)> {
    let mut all = Vec::with_capacity(2 * kernels.len());
    for (i, kernel) in kernels {
        if kernel.kind == KernelKind::Conv {
            let (kind, out_c) = (KernelKind::Act, kernel.in_c);
            all.push((i, Kernel { kind, out_c, kernel: 1, stride: 1, groups: 1, window: None, ..kernel }));
        }
        all.push((i, kernel));
    }
    all
}

/// The kernels of `graph` for one image, in order, fused as inference runtimes do it.
pub fn fused(graph: &Graph) -> Vec<Kernel> {
    Lowering::Fused.kernels(graph)
}

fn located(graph: &Graph, fusion: Fusion) -> Vec<(usize, Kernel)> {
    let uses = graph.uses();
    let mut consumer = vec![usize::MAX; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        for &input in &node.inputs {
            consumer[input] = i;
        }
    }
    // The only user of a node, if there is one.
    let next = |i: usize| (uses[i] == 1).then(|| consumer[i]);
    let mut taken = vec![false; graph.nodes.len()];
    let mut kernels = Vec::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        if taken[i] || is_free(node.op) {
            continue;
        }
        let mut kernel = bare(graph, i);
        if !matches!(kernel.kind, KernelKind::Maxpool | KernelKind::Pool | KernelKind::Concat) {
            let mut at = i;
            while let Some(after) = next(at) {
                match graph.nodes[after].op {
                    Op::BatchNorm if kernel.act == Act::None && !kernel.residual => {}
                    Op::View { .. } => {}
                    Op::Act(act) if kernel.act == Act::None && fusion.fuses(act, kernel.residual) => {
                        kernel.act = act
                    }
                    // A sum is fused into the later of its two operands, because the other one exists by then.
                    Op::Add
                        if fusion.sums
                            && kernel.act == Act::None
                            && !kernel.residual
                            && matches!(kernel.kind, KernelKind::Conv | KernelKind::Dwconv)
                            && graph.nodes[after].inputs.iter().all(|&input| input <= at)
                            && latest_producer(graph, after) == at =>
                    {
                        kernel.residual = true;
                    }
                    _ => break,
                }
                taken[after] = true;
                at = after;
            }
        }
        kernels.push((i, kernel));
    }
    kernels
}

/// Whether an operation takes no time.
fn is_free(op: Op) -> bool {
    matches!(op, Op::Input | Op::Flatten | Op::Slice { .. } | Op::View { .. })
}

/// The operand of node `i` that is computed last.
fn latest_producer(graph: &Graph, i: usize) -> usize {
    graph.nodes[i].inputs.iter().copied().max().unwrap_or(i)
}

/// The kernel of one node on its own.
fn bare(graph: &Graph, i: usize) -> Kernel {
    let node = &graph.nodes[i];
    let input = node.inputs.first().map_or(node.shape, |&first| graph.nodes[first].shape);
    let Shape { c: in_c, h: in_h, w: in_w } = input;
    let plain = Kernel {
        kind: KernelKind::Act,
        batch: 1,
        in_c,
        out_c: node.shape.c,
        in_h,
        in_w,
        kernel: 1,
        stride: 1,
        groups: 1,
        act: Act::None,
        residual: false,
        window: None,
    };
    match node.op {
        Op::Conv { in_c, out_c, kernel, stride, groups, .. } => {
            let depthwise = groups > 1 && groups == in_c && in_c == out_c;
            let kind = if depthwise { KernelKind::Dwconv } else { KernelKind::Conv };
            Kernel { kind, kernel, stride, groups, ..plain }
        }
        Op::MaxPool { kernel, stride } => Kernel { kind: KernelKind::Maxpool, kernel, stride, ..plain },
        Op::GlobalAvgPool | Op::AdaptiveAvgPool { .. } => Kernel { kind: KernelKind::Pool, ..plain },
        Op::Add => Kernel { kind: KernelKind::Add, ..plain },
        Op::Scale => Kernel { kind: KernelKind::Scale, ..plain },
        Op::Concat => Kernel { kind: KernelKind::Concat, in_c: node.shape.c, ..plain },
        Op::Linear { in_c, out_c, .. } => {
            Kernel { kind: KernelKind::Linear, in_c, out_c, in_h: 1, in_w: 1, ..plain }
        }
        Op::Act(act) => Kernel { act, ..plain },
        Op::AnyConv { in_c, out_c, groups, window, .. } => {
            let depthwise = groups > 1 && groups == in_c && in_c == out_c && !window.transposed;
            let kind = if depthwise { KernelKind::Dwconv } else { KernelKind::Conv };
            Kernel { kind, groups, ..windowed(plain, window) }
        }
        Op::AnyPool { window } => Kernel { kind: KernelKind::Maxpool, ..windowed(plain, window) },
        Op::Pass { to } => {
            let two = node.inputs.len() == 2 && node.inputs.iter().all(|&i| graph.nodes[i].shape == to);
            let kind = if two { KernelKind::Add } else { KernelKind::Act };
            let resized = (to.h, to.w) != (in_h, in_w);
            Kernel { kind, window: resized.then(|| Window::resized([to.h, to.w])), ..plain }
        }
        Op::BatchNorm | Op::Input | Op::Flatten | Op::Slice { .. } | Op::View { .. } => plain,
    }
}

fn windowed(plain: Kernel, window: Window) -> Kernel {
    let larger = |[h, w]: [u32; 2]| h.max(w);
    Kernel { kernel: larger(window.kernel), stride: larger(window.stride), window: Some(window), ..plain }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::published;

    #[test]
    fn runtimes_differ_in_what_they_fuse() {
        let graph = published::by_name("resnet18").unwrap().graph().unwrap();
        let count = |lowering: Lowering| lowering.kernels(&graph).len();
        let of = |runtime: &str| Lowering::of_runtime(runtime, "fp32", true);
        assert_eq!(count(of("onnxruntime")), count(Lowering::Fused));
        // Eight sums, each with its ReLU.
        assert_eq!(count(of("litert")), count(Lowering::Fused) + 8);
        let sums = of("litert").kernels(&graph).into_iter().filter(|kernel| kernel.kind == KernelKind::Add);
        assert!(sums.clone().count() == 8 && sums.clone().all(|sum| sum.act == Act::Relu));
        let mut swish = Graph::new(Shape::square(8, 4));
        let conv = Op::Conv { in_c: 8, out_c: 8, kernel: 1, stride: 1, groups: 1, bias: true };
        let conv = swish.push(conv, vec![0]);
        swish.push(Op::Act(Act::Swish), vec![conv]);
        let kinds = |lowering: Lowering| lowering.kernels(&swish).iter().map(|k| k.kind).collect::<Vec<_>>();
        assert_eq!(kinds(Lowering::Fused), [KernelKind::Conv]);
        assert_eq!(kinds(Lowering::OnnxRuntime), [KernelKind::Conv, KernelKind::Act]);
    }

    #[test]
    fn eager_kernels_do_the_same_arithmetic_and_move_more_bytes() {
        let graph = published::by_name("resnet18").unwrap().graph().unwrap();
        let (fused, eager) = (fused(&graph), Lowering::Eager.kernels(&graph));
        let sum = |kernels: &[Kernel], of: &dyn Fn(&Kernel) -> f64| kernels.iter().map(of).sum::<f64>();
        assert_eq!(sum(&fused, &Kernel::macs), sum(&eager, &Kernel::macs));
        assert!(sum(&eager, &|k| k.bytes(2.0)) > 1.5 * sum(&fused, &|k| k.bytes(2.0)));
        // 20 convolutions each with its normalisation, 17 ReLUs, 8 sums, two pools, a classifier.
        assert_eq!(eager.len(), 20 + 20 + 17 + 8 + 2 + 1);
        assert!(eager.iter().all(|kernel| !kernel.residual));
        assert_eq!(Lowering::of_runtime("torch2.1", "fp32", false), Lowering::Eager);
        // In half precision the input of each convolution is moved once more.
        let half = Lowering::of_runtime("torch", "fp16", false).kernels(&graph);
        assert_eq!(Lowering::of_runtime("torch", "fp16", true), Lowering::Eager);
        assert_eq!((half.len(), sum(&half, &Kernel::macs)), (eager.len() + 20, sum(&eager, &Kernel::macs)));
    }

    #[test]
    fn activations_that_pytorch_lacked_are_composed_of_those_that_it_had() {
        let mut graph = Graph::new(Shape::square(8, 4));
        let moved = |graph: &Graph| -> (usize, f64) {
            let kernels = Lowering::EagerRearranged.kernels(graph);
            let elements = |k: &Kernel| k.input_elements() + k.output_elements();
            (kernels.len(), kernels.iter().map(elements).sum::<f64>() / 128.0)
        };
        // Maps that are read or written: x and s for sigmoid; x, s and their product.
        graph.push(Op::Act(Act::Swish), vec![0]);
        assert_eq!(moved(&graph), (2, 5.0));
        graph.nodes[1].op = Op::Act(Act::HardSwish);
        assert_eq!(moved(&graph), (4, 9.0));
        graph.nodes[1].op = Op::Act(Act::HardSigmoid);
        assert_eq!(moved(&graph), (3, 6.0));
        graph.nodes[1].op = Op::Act(Act::Relu);
        assert_eq!(moved(&graph), (1, 2.0));
    }
}
