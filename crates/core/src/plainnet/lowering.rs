//! From operations to kernels: which operations of a graph a runtime runs as one kernel.

use super::fusion::Fusion;
use super::graph::{Act, Graph, Node, Op};
use super::kernel::{Kernel, KernelKind};
use super::shape::Shape;
use super::window::Window;
use serde::{Deserialize, Serialize};

/// How a runtime turns operations into kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lowering {
    /// Normalisation, activation and residual sum run inside the convolution before them.
    Fused,
    /// What ONNX Runtime fuses ([`Fusion::ONNX_RUNTIME`]).
    OnnxRuntime,
    /// What ONNX Runtime fuses in 8-bit integers ([`Fusion::ONNX_RUNTIME_INT8`]).
    OnnxRuntimeInt8,
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
    pub const ALL: [Lowering; 6] = [
        Lowering::Fused,
        Lowering::OnnxRuntime,
        Lowering::OnnxRuntimeInt8,
        Lowering::LiteRt,
        Lowering::Eager,
        Lowering::EagerRearranged,
    ];

    /// The lowering of the runtime called `runtime` in `precision`: `torch`, `torch2.1`, … run eagerly, all others
    /// fuse. What stands before a `+` is the runtime that a tool runs: `litert+mine`; those of the tools that LiteRT and ONNX
    /// Runtime come with are known. If latencies of convolutions were `measured` in that runtime, they contain the rearranging.
    pub fn of_runtime(runtime: &str, precision: &str, measured: bool) -> Lowering {
        match (runtime.split('+').next().unwrap_or(runtime), precision) {
            ("onnxruntime" | "onnxruntime_perf_test", "int8") => Lowering::OnnxRuntimeInt8,
            ("onnxruntime" | "onnxruntime_perf_test", _) => Lowering::OnnxRuntime,
            ("litert" | "benchmark_model", _) => Lowering::LiteRt,
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
            Lowering::OnnxRuntimeInt8 => Some(Fusion::ONNX_RUNTIME_INT8),
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
        let mut kernels = Vec::with_capacity(graph.nodes.len());
        for part in self.parts(graph) {
            self.each_of(part.kernel(bare(graph, part.node)), |kernel| kernels.push((part.node, kernel)));
        }
        kernels
    }

    /// The kernels of `graph`, but for their sizes, which have no say in it; before [`Lowering::each_of`].
    pub(super) fn parts(self, graph: &Graph) -> Vec<Part> {
        match self.fusion() {
            Some(fusion) => fused_parts(graph, fusion),
            None => eager_parts(graph),
        }
    }

    /// Gives `visit` the kernels that one of [`Lowering::parts`] stands for, in their order: itself, but for old versions of PyTorch in half
    /// precision.
    #[inline]
    pub(super) fn each_of(self, kernel: Kernel, mut visit: impl FnMut(Kernel)) {
        match self {
            Lowering::EagerRearranged => composed_of(kernel, |kernel| {
                // What moves the input of a dense convolution.
                if kernel.kind == KernelKind::Conv {
                    let (kind, out_c) = (KernelKind::Act, kernel.in_c);
                    visit(Kernel { kind, out_c, kernel: 1, stride: 1, groups: 1, window: None, ..kernel });
                }
                visit(kernel);
            }),
            Lowering::Fused
            | Lowering::OnnxRuntime
            | Lowering::OnnxRuntimeInt8
            | Lowering::LiteRt
            | Lowering::Eager => visit(kernel),
        }
    }
}

/// One kernel for each operation of `graph` that computes something.
fn eager_parts(graph: &Graph) -> Vec<Part> {
    let computes = |(_, node): &(usize, &Node)| !is_free(node.op);
    let part = |(i, _)| {
        let Kernel { act, residual, .. } = bare(graph, i);
        Part { node: i, act, residual }
    };
    graph.nodes.iter().enumerate().filter(computes).map(part).collect()
}

/// The kernels of `graph` for one image, with the node of each, as PyTorch up to 1.6 runs it: it has no operator for Swish
/// and its like, which networks compose of those that it has.
pub fn composed(graph: &Graph) -> Vec<(usize, Kernel)> {
    let mut kernels = Vec::with_capacity(graph.nodes.len());
    for part in eager_parts(graph) {
        composed_of(bare(graph, part.node), |kernel| kernels.push((part.node, kernel)));
    }
    kernels
}

/// Gives `visit` the kernels of which PyTorch up to 1.6 composes an operation.
#[inline]
fn composed_of(kernel: Kernel, mut visit: impl FnMut(Kernel)) {
    let act = |act: Act| Kernel { kind: KernelKind::Act, act, ..kernel };
    // The product of two maps moves as much as their sum.
    let product = Kernel { kind: KernelKind::Add, act: Act::None, ..kernel };
    match (kernel.kind, kernel.act) {
        // x · sigmoid(x)
        (KernelKind::Act, Act::Swish) => [act(Act::Sigmoid), product].into_iter().for_each(visit),
        // relu6(x + 3) / 6
        (KernelKind::Act, Act::HardSigmoid) => {
            [Act::None, Act::Relu6, Act::None].into_iter().for_each(|part| visit(act(part)));
        }
        // x · relu6(x + 3) / 6
        (KernelKind::Act, Act::HardSwish) => {
            [act(Act::None), act(Act::Relu6), product, act(Act::None)].into_iter().for_each(visit);
        }
        _ => visit(kernel),
    }
}

/// The kernels of `graph` for one image, in order, fused as inference runtimes do it.
pub fn fused(graph: &Graph) -> Vec<Kernel> {
    Lowering::Fused.kernels(graph)
}

/// A kernel of a graph but for its sizes: the operation that it begins with, and what runs inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub node: usize,
    act: Act,
    residual: bool,
}

impl Part {
    /// With what the operation is by itself.
    pub fn kernel(self, alone: Kernel) -> Kernel {
        Kernel { act: self.act, residual: self.residual, ..alone }
    }
}

/// The kernels of `graph` where this is fused. Sizes have no say in it.
fn fused_parts(graph: &Graph, fusion: Fusion) -> Vec<Part> {
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
    let mut parts = Vec::new();
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
        parts.push(Part { node: i, act: kernel.act, residual: kernel.residual });
    }
    parts
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
    let kernel = alone(node.op, input, node.shape);
    match node.op {
        Op::Pass { to }
            if node.inputs.len() == 2 && node.inputs.iter().all(|&i| graph.nodes[i].shape == to) =>
        {
            Kernel { kind: KernelKind::Add, ..kernel }
        }
        _ => kernel,
    }
}

/// The kernel of an operation on its own, that makes a map of `shape` of one of the shape `input`.
pub(super) fn alone(op: Op, input: Shape, shape: Shape) -> Kernel {
    let Shape { c: in_c, h: in_h, w: in_w } = input;
    let plain = Kernel {
        kind: KernelKind::Act,
        batch: 1,
        in_c,
        out_c: shape.c,
        in_h,
        in_w,
        kernel: 1,
        stride: 1,
        groups: 1,
        act: Act::None,
        residual: false,
        window: None,
    };
    match op {
        Op::Conv { in_c, out_c, kernel, stride, groups, .. } => {
            let depthwise = groups > 1 && groups == in_c && in_c == out_c;
            let kind = if depthwise { KernelKind::Dwconv } else { KernelKind::Conv };
            Kernel { kind, kernel, stride, groups, ..plain }
        }
        Op::MaxPool { kernel, stride } => Kernel { kind: KernelKind::Maxpool, kernel, stride, ..plain },
        Op::GlobalAvgPool | Op::AdaptiveAvgPool { .. } => Kernel { kind: KernelKind::Pool, ..plain },
        Op::Add => Kernel { kind: KernelKind::Add, ..plain },
        Op::Scale => Kernel { kind: KernelKind::Scale, ..plain },
        Op::Concat => Kernel { kind: KernelKind::Concat, in_c: shape.c, ..plain },
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
            let resized = (to.h, to.w) != (in_h, in_w);
            Kernel { window: resized.then(|| Window::resized([to.h, to.w])), ..plain }
        }
        Op::BatchNorm | Op::Input | Op::Flatten | Op::Slice { .. } | Op::View { .. } => plain,
    }
}

fn windowed(plain: Kernel, window: Window) -> Kernel {
    let larger = |[h, w]: [u32; 2]| h.max(w);
    Kernel { kernel: larger(window.kernel), stride: larger(window.stride), window: Some(window), ..plain }
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
