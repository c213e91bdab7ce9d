//! A kernel or block many times in one graph, so that what it takes inside a network is the difference between two lengths.
//!
//! A runtime that keeps maps in an order of its own rearranges the input and the output of every graph. Around a single
//! convolution that takes as long as the convolution; inside a network it happens once. The difference between a long and a
//! short graph holds none of it, and none of what starting a run takes. Weights differ between the repetitions, as they do
//! between the layers of a network, so that they are not always found in the fastest cache.

use super::graph::{Act, Graph, Op};
use super::kernel::{Kernel, KernelKind};
use super::lowering::Lowering;
use super::shape::Shape;

/// Two graphs that differ in how often they hold a piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeated {
    pub long: Graph,
    pub short: Graph,
    /// How often each holds it.
    pub times: (u32, u32),
}

/// Weights of all repetitions together exceed the caches of a single core.
const WEIGHT_BYTES: f64 = 4e6;
/// The longest time of a run of the long graph, by a guess.
const MOST_NS: f64 = 3e6;
const MOST_TIMES: f64 = 24.0;
/// Repetitions of work that stands between convolutions.
const BETWEEN: u32 = 8;

/// What a processor core does in a nanosecond, roughly: multiply-accumulates of dense and of depthwise convolutions, bytes.
const GUESS: (f64, f64, f64) = (30.0, 10.0, 20.0);

/// How often a long and a short graph hold this work.
fn times(kernels: &[Kernel]) -> (u32, u32) {
    let guess = |kernel: &Kernel| {
        let rate = if kernel.kind == KernelKind::Dwconv { GUESS.1 } else { GUESS.0 };
        (kernel.macs() / rate).max(kernel.bytes(4.0) / GUESS.2) + 1e3
    };
    let (ns, weights) = kernels
        .iter()
        .fold((0.0, 4.0), |(ns, weights), kernel| (ns + guess(kernel), weights + 4.0 * kernel.params()));
    let long = (WEIGHT_BYTES / weights).min(MOST_NS / ns).clamp(3.0, MOST_TIMES).ceil() as u32;
    (long, (long / 4).max(1))
}

impl Repeated {
    /// `kernel` repeated; `None` for kinds that are measured alone.
    pub fn kernel(kernel: &Kernel) -> Option<Repeated> {
        if kernel.window.is_some() {
            return None;
        }
        match kernel.kind {
            KernelKind::Conv | KernelKind::Dwconv if kernel.residual => {
                let (long, short) = times(&[*kernel]);
                let of = |times| added(kernel, times);
                Some(Repeated { long: of(long), short: of(short), times: (long, short) })
            }
            KernelKind::Conv | KernelKind::Dwconv | KernelKind::Linear => {
                Repeated::graph(&kernel.with_batch(1).graph())
            }
            KernelKind::Maxpool | KernelKind::Pool => Some(Repeated::between(kernel, |graph, at, out| {
                let pooled = match kernel.kind {
                    KernelKind::Pool => graph.push(Op::GlobalAvgPool, vec![at]),
                    _ => {
                        let (kernel, stride) = (kernel.kernel, kernel.stride);
                        graph.push(Op::MaxPool { kernel, stride }, vec![at])
                    }
                };
                out.push(corner(graph, pooled));
                at
            })),
            KernelKind::Scale => Some(Repeated::between(kernel, |graph, at, _| {
                let gate = graph.push_input(Shape::square(kernel.in_c, 1));
                let scaled = graph.push(Op::Scale, vec![at, gate]);
                acted(graph, kernel.act, scaled)
            })),
            KernelKind::Act if kernel.act != Act::None => {
                Some(Repeated::between(kernel, |graph, at, _| acted(graph, kernel.act, at)))
            }
            KernelKind::Add | KernelKind::Act | KernelKind::Concat => None,
        }
    }

    /// A graph of one input repeated; `None` where it has several.
    pub fn graph(graph: &Graph) -> Option<Repeated> {
        if graph.nodes.iter().skip(1).any(|node| node.op == Op::Input) || graph.nodes.len() < 2 {
            return None;
        }
        let (long, short) = times(&Lowering::Fused.kernels(graph));
        let of =
            |times| if graph.input() == graph.output() { behind(graph, times) } else { beside(graph, times) };
        Some(Repeated { long: of(long), short: of(short), times: (long, short) })
    }

    /// Work between depthwise convolutions, which are there in the short graph as well. `put` puts it behind a map; it gives
    /// the map that follows, or pushes the result to the list.
    fn between(kernel: &Kernel, put: impl Fn(&mut Graph, usize, &mut Vec<usize>) -> usize) -> Repeated {
        let build = |with: bool| {
            let mut graph = Graph::new(Shape { c: kernel.in_c, h: kernel.in_h, w: kernel.in_w });
            let mut results = Vec::new();
            let mut at = depthwise(&mut graph, 0);
            for _ in 0..BETWEEN {
                if with {
                    at = put(&mut graph, at, &mut results);
                }
                at = depthwise(&mut graph, at);
            }
            results.push(corner(&mut graph, at));
            joined(&mut graph, results);
            graph
        };
        Repeated { long: build(true), short: build(false), times: (BETWEEN, 0) }
    }
}

/// One after the other: each reads what the one before wrote.
fn behind(piece: &Graph, times: u32) -> Graph {
    let mut graph = Graph::new(piece.input());
    let mut at = 0;
    for _ in 0..times {
        at = copied(piece, &mut graph, at);
    }
    corner(&mut graph, at);
    graph
}

/// Beside one another: all read the same map.
fn beside(piece: &Graph, times: u32) -> Graph {
    let mut graph = Graph::new(piece.input());
    let results = (0..times)
        .map(|_| {
            let at = copied(piece, &mut graph, 0);
            corner(&mut graph, at)
        })
        .collect();
    joined(&mut graph, results);
    graph
}

/// Convolutions of one map, each of which adds its result to the sum of those before.
fn added(kernel: &Kernel, times: u32) -> Graph {
    let alone = Kernel { residual: false, act: Act::None, batch: 1, ..*kernel }.graph();
    let mut graph = Graph::new(alone.input());
    // What is added to comes from a convolution too, and lies in the order of the runtime.
    let mut at = copied(&alone, &mut graph, 0);
    for _ in 0..times {
        let more = copied(&alone, &mut graph, 0);
        let sum = graph.push(Op::Add, vec![more, at]);
        at = acted(&mut graph, kernel.act, sum);
    }
    corner(&mut graph, at);
    graph
}

/// The nodes of `piece` with its input at node `at`; gives its output.
fn copied(piece: &Graph, graph: &mut Graph, at: usize) -> usize {
    let mut places = vec![at];
    for node in &piece.nodes[1..] {
        let inputs = node.inputs.iter().map(|&input| places[input]).collect();
        places.push(graph.push(node.op, inputs));
    }
    places.last().copied().unwrap_or(at)
}

/// One pixel of each channel, with a weight: next to nothing, for which the whole map before it must be computed.
fn corner(graph: &mut Graph, at: usize) -> usize {
    let Shape { c, h, w } = graph.nodes[at].shape;
    if h.max(w) <= 1 {
        return at;
    }
    let stride = h.max(w);
    graph.push(Op::Conv { in_c: c, out_c: c, kernel: 1, stride, groups: c, bias: true }, vec![at])
}

fn joined(graph: &mut Graph, results: Vec<usize>) {
    if results.len() > 1 {
        graph.push(Op::Concat, results);
    }
}

fn acted(graph: &mut Graph, act: Act, at: usize) -> usize {
    if act == Act::None { at } else { graph.push(Op::Act(act), vec![at]) }
}

fn depthwise(graph: &mut Graph, at: usize) -> usize {
    let c = graph.nodes[at].shape.c;
    graph.push(Op::Conv { in_c: c, out_c: c, kernel: 3, stride: 1, groups: c, bias: true }, vec![at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{Variant, graph, notation};

    fn conv(in_c: u32, out_c: u32, stride: u32, residual: bool) -> Kernel {
        Kernel {
            kind: KernelKind::Conv,
            batch: 1,
            in_c,
            out_c,
            in_h: 14,
            in_w: 14,
            kernel: 3,
            stride,
            groups: 1,
            act: Act::Relu,
            residual,
            window: None,
        }
    }

    /// Whether the kernel takes one pixel of each channel.
    fn is_corner(kernel: &Kernel) -> bool {
        kernel.kind == KernelKind::Dwconv && kernel.kernel == 1
    }

    /// Kernels like `kernel` in each of the two graphs.
    fn count(repeated: &Repeated, kernel: &Kernel) -> (u32, u32) {
        let of = |graph: &Graph| {
            Lowering::Fused.kernels(graph).iter().filter(|found| *found == kernel).count() as u32
        };
        (of(&repeated.long), of(&repeated.short))
    }

    #[test]
    fn the_two_graphs_differ_in_the_kernel_alone() {
        for kernel in [
            conv(16, 16, 1, false),
            conv(16, 32, 2, false),
            conv(16, 32, 1, true),
            Kernel { kind: KernelKind::Dwconv, groups: 16, ..conv(16, 16, 2, false) },
            Kernel { kind: KernelKind::Dwconv, groups: 16, ..conv(16, 16, 1, true) },
        ] {
            let repeated = Repeated::kernel(&kernel).unwrap();
            assert_eq!(count(&repeated, &kernel), repeated.times, "{kernel}");
            assert!(repeated.times.0 >= 3 && repeated.times.0 > repeated.times.1, "{kernel}");
            let others = |graph: &Graph| {
                let all = Lowering::Fused.kernels(graph);
                all.into_iter()
                    .filter(|k| *k != kernel && !is_corner(k) && k.kind != KernelKind::Concat)
                    .collect::<Vec<_>>()
            };
            assert_eq!(others(&repeated.long), others(&repeated.short), "{kernel}");
        }
    }

    #[test]
    fn work_that_stands_between_convolutions_is_what_the_long_graph_has_more() {
        let plain = Kernel { kernel: 1, act: Act::None, ..conv(16, 16, 1, false) };
        for (kernel, more) in [
            (Kernel { kind: KernelKind::Scale, ..plain }, KernelKind::Scale),
            (Kernel { kind: KernelKind::Pool, ..plain }, KernelKind::Pool),
            (Kernel { kind: KernelKind::Maxpool, kernel: 3, stride: 2, ..plain }, KernelKind::Maxpool),
        ] {
            let repeated = Repeated::kernel(&kernel).unwrap();
            assert_eq!(count(&repeated, &kernel), (BETWEEN, 0), "{kernel}");
            let convolutions = |graph: &Graph| {
                let all = Lowering::Fused.kernels(graph);
                all.iter().filter(|k| k.kind == KernelKind::Dwconv && !is_corner(k)).count()
            };
            assert_eq!(convolutions(&repeated.long), convolutions(&repeated.short));
            assert_eq!(kernel.kind, more);
        }
        let none = |kernel: Kernel| assert_eq!(Repeated::kernel(&kernel), None, "{kernel}");
        none(Kernel { kind: KernelKind::Add, ..plain });
        none(Kernel { kind: KernelKind::Concat, ..plain });
        none(Kernel { kind: KernelKind::Act, ..plain });
    }

    #[test]
    fn large_weights_are_repeated_seldom_and_small_ones_often() {
        let times = |kernel: &Kernel| Repeated::kernel(kernel).unwrap().times;
        assert_eq!(times(&conv(512, 512, 1, false)), (3, 1));
        assert_eq!(times(&conv(8, 16, 1, false)), (24, 6));
        // 64 channels at 224 × 224 pixels take about 62 ms by the guess.
        let long = Kernel { in_h: 224, in_w: 224, ..conv(64, 64, 1, false) };
        assert_eq!(times(&long), (3, 1));
    }

    #[test]
    fn blocks_are_repeated_as_they_are() {
        let network = notation::parse("SuperResIDWE2K3(16,32,2,8,1)").unwrap();
        let block = graph::body(&network.blocks, Shape::square(16, 28), Variant::BUILT).unwrap();
        let repeated = Repeated::graph(&block).unwrap();
        let kernels = |graph: &Graph| {
            let all = Lowering::Fused.kernels(graph);
            all.iter().filter(|k| k.kind == KernelKind::Dwconv && !is_corner(k)).count()
        };
        let (long, short) = repeated.times;
        assert_eq!(kernels(&repeated.long), long as usize * kernels(&block));
        assert_eq!(kernels(&repeated.short), short as usize * kernels(&block));
        // A graph of two inputs is not one piece of a chain.
        assert_eq!(Repeated::graph(&Kernel { kind: KernelKind::Add, ..conv(8, 8, 1, false) }.graph()), None);
    }
}
