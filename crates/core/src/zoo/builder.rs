//! What the networks of this folder are written with: a graph under construction, and rules for widths.

use crate::plainnet::graph::{Act, Op};
use crate::plainnet::{Graph, Shape};

/// A graph under construction, and the node that the next operation reads.
pub struct Net {
    pub graph: Graph,
    pub at: usize,
}

impl Net {
    pub fn new(channels: u32, side: u32) -> Net {
        Net { graph: Graph::new(Shape::square(channels, side)), at: 0 }
    }

    pub fn channels(&self) -> u32 {
        self.graph.nodes[self.at].shape.c
    }

    pub fn side(&self) -> u32 {
        self.graph.nodes[self.at].shape.h
    }

    pub fn then(&mut self, op: Op) -> &mut Net {
        self.at = self.graph.push(op, vec![self.at]);
        self
    }

    pub fn act(&mut self, act: Act) -> &mut Net {
        if act == Act::None { self } else { self.then(Op::Act(act)) }
    }

    /// A convolution, its normalisation and an activation.
    pub fn conv(&mut self, out_c: u32, kernel: u32, stride: u32, act: Act) -> &mut Net {
        self.grouped(out_c, kernel, stride, 1, act)
    }

    pub fn grouped(&mut self, out_c: u32, kernel: u32, stride: u32, groups: u32, act: Act) -> &mut Net {
        let in_c = self.channels();
        self.then(Op::Conv { in_c, out_c, kernel, stride, groups, bias: false }).then(Op::BatchNorm).act(act)
    }

    pub fn depthwise(&mut self, kernel: u32, stride: u32, act: Act) -> &mut Net {
        let channels = self.channels();
        self.grouped(channels, kernel, stride, channels, act)
    }

    /// A convolution with a bias and no normalisation.
    pub fn biased(&mut self, out_c: u32, kernel: u32, stride: u32, groups: u32) -> &mut Net {
        let in_c = self.channels();
        self.then(Op::Conv { in_c, out_c, kernel, stride, groups, bias: true })
    }

    /// Reads the map and writes it changed: a layer normalisation, GELU.
    pub fn pass(&mut self) -> &mut Net {
        let to = self.graph.nodes[self.at].shape;
        self.then(Op::Pass { to })
    }

    /// Squeeze-excite with `hidden` channels and `gate` as its second activation.
    pub fn squeeze_excite(&mut self, hidden: u32, gate: Act) -> &mut Net {
        let (map, channels) = (self.at, self.channels());
        self.then(Op::GlobalAvgPool);
        self.then(Op::Conv { in_c: channels, out_c: hidden, kernel: 1, stride: 1, groups: 1, bias: true });
        self.act(Act::Relu);
        self.then(Op::Conv { in_c: hidden, out_c: channels, kernel: 1, stride: 1, groups: 1, bias: true });
        self.act(gate);
        self.at = self.graph.push(Op::Scale, vec![map, self.at]);
        self
    }

    /// The sum with another node.
    pub fn add(&mut self, other: usize) -> &mut Net {
        self.at = self.graph.push(Op::Add, vec![self.at, other]);
        self
    }

    pub fn concat(&mut self, branches: Vec<usize>) -> &mut Net {
        self.at = self.graph.push(Op::Concat, branches);
        self
    }

    /// The `count` channels from channel `from` on.
    pub fn slice(&mut self, from: u32, count: u32) -> &mut Net {
        self.then(Op::Slice { from, count })
    }

    pub fn max_pool(&mut self, kernel: u32, stride: u32) -> &mut Net {
        self.then(Op::MaxPool { kernel, stride })
    }

    pub fn linear(&mut self, out_c: u32, act: Act) -> &mut Net {
        if self.side() > 1 {
            self.then(Op::Flatten);
        }
        let in_c = self.channels();
        self.then(Op::Linear { in_c, out_c, bias: true }).act(act)
    }

    /// Global pooling and a classifier.
    pub fn classifier(&mut self, classes: u32) -> &mut Net {
        self.then(Op::GlobalAvgPool).linear(classes, Act::None)
    }
}

/// The width multiplier at the end of `name`, if it begins with `family`: 0.25 in `mobilenet_v1_0.25`.
pub fn width(name: &str, family: &str) -> Option<f64> {
    let width: f64 = name.strip_prefix(family)?.parse().ok()?;
    (0.05..=8.0).contains(&width).then_some(width)
}

/// The multiple of `divisor` that is nearest to `value`, at most 10 % below it (as in the reference
/// implementation of MobileNet).
pub fn divisible(value: f64, divisor: u32) -> u32 {
    let d = f64::from(divisor);
    let rounded = (((value + d / 2.0) / d).floor() * d).max(d);
    let wide = if rounded < 0.9 * value { rounded + d } else { rounded };
    wide as u32
}
