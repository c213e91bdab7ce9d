//! Sublayers of super blocks as far as their kernels need them. A search of latencies looks at many sublayers of few forms: which of their
//! operations become one kernel depends on the form alone, and is found out once, by the graph ([`super::lowering`]).

use super::block::{SuperBlock, Variant};
use super::graph::{self, Act, Graph, Op, Operations};
use super::kernel::Kernel;
use super::lowering::{self, Lowering, Part};
use super::shape::{self, Shape, ShapeError};
use rustc_hash::FxHashMap;

/// The operations of one sublayer, in buffers that are used again.
#[derive(Clone, Debug, Default)]
struct Sketch {
    operations: Vec<Operation>,
    /// What the operations are and read, but for sizes.
    form: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    op: Op,
    input: Shape,
    shape: Shape,
}

impl Sketch {
    fn begin(&mut self, input: Shape) {
        self.operations.clear();
        self.form.clear();
        self.operations.push(Operation { op: Op::Input, input, shape: input });
    }
}

impl Operations for Sketch {
    fn append(&mut self, op: Op, inputs: &[usize]) -> usize {
        let index = self.operations.len();
        self.form.push(code(op) << 16 | inputs.len() as u32);
        self.form.extend(inputs.iter().map(|&input| (index - input) as u32));
        let shape_of = |&input: &usize| self.operations[input].shape;
        let first = inputs.first().map_or(self.operations[0].shape, shape_of);
        let shape = op.output(first, || inputs.iter().map(|input| shape_of(input).c).sum());
        self.operations.push(Operation { op, input: first, shape });
        index
    }
}

/// A number for each operation that super blocks consist of, without its sizes.
fn code(op: Op) -> u32 {
    match op {
        Op::Input => 0,
        Op::Conv { .. } => 1,
        Op::BatchNorm => 2,
        Op::Add => 3,
        Op::Scale => 4,
        Op::Concat => 5,
        Op::Slice { .. } => 6,
        Op::MaxPool { .. } => 7,
        Op::GlobalAvgPool => 8,
        Op::AdaptiveAvgPool { .. } => 9,
        Op::Flatten => 10,
        Op::Linear { .. } => 11,
        Op::AnyConv { .. } => 12,
        Op::AnyPool { .. } => 13,
        Op::View { .. } => 14,
        Op::Pass { .. } => 15,
        Op::Act(act) => 16 + Act::ALL.iter().position(|&known| known == act).unwrap_or(0) as u32,
    }
}

/// The kernels of one form, by each of the lowerings that were asked for.
type Lowered = Vec<(Lowering, Vec<Part>)>;

/// What lowerings make of the forms that were seen.
#[derive(Clone, Debug, Default)]
pub struct Sketches {
    sketch: Sketch,
    forms: FxHashMap<Box<[u32]>, Lowered>,
}

impl Sketches {
    /// Gives the kernels of one sublayer of `block`, for one image and in their order, to `visit`: the first sublayer, or any of the others.
    /// They are those of its graph ([`graph::sublayer`]).
    ///
    /// # Errors
    /// The integers of the block make no usable network.
    pub fn kernels(
        &mut self,
        lowering: Lowering,
        block: &SuperBlock,
        first: bool,
        input: Shape,
        variant: Variant,
        mut visit: impl FnMut(Kernel),
    ) -> Result<(), ShapeError> {
        let Some(fusion) = lowering.fusion().filter(|_| shape::fits(block, input)) else {
            let graph = graph::sublayer(block, first, input, variant)?;
            lowering.kernels(&graph).into_iter().for_each(visit);
            return Ok(());
        };
        self.sketch.begin(input);
        graph::append_sublayer(&mut self.sketch, block, first, variant);
        let Sketch { operations, form } = &self.sketch;
        let mut give = |parts: &[Part]| {
            for part in parts {
                let Operation { op, input, shape } = operations[part.node];
                visit(part.kernel(lowering::alone(op, input, shape)));
            }
        };
        let known = self.forms.get(&form[..]).and_then(|known| known.iter().find(|(of, _)| *of == lowering));
        if let Some((_, parts)) = known {
            give(parts);
            return Ok(());
        }
        let mut graph = Graph::new(input);
        graph::append_sublayer(&mut graph, block, first, variant);
        let parts = lowering::fused_parts(&graph, fusion);
        give(&parts);
        self.forms.entry(form[..].into()).or_default().push((lowering, parts));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::SuperKind;

    #[test]
    fn sketches_have_the_kernels_of_graphs() {
        let kinds = [
            SuperKind::Conv { kernel: 3 },
            SuperKind::Residual { kernel: 5 },
            SuperKind::Bottleneck { kernel: 3 },
            SuperKind::Inverted { expansion: 4, kernel: 5 },
            SuperKind::Inverted { expansion: 1, kernel: 3 },
        ];
        let mut sketches = Sketches::default();
        let mut compared = 0;
        for lowering in Lowering::ALL {
            // Each form twice, with other sizes.
            for (kind, (in_c, out_c, bottleneck)) in kinds
                .iter()
                .flat_map(|kind| [(8, 24, 16), (16, 16, 16), (40, 8, 40), (8, 8, 8)].map(|c| (*kind, c)))
            {
                for (stride, side, first, se) in [
                    (1, 14, true, false),
                    (2, 15, true, true),
                    (2, 8, true, false),
                    (1, 7, false, false),
                    (1, 9, false, true),
                ] {
                    let bottleneck = if kind.is_conv() { 0 } else { bottleneck };
                    let block = SuperBlock { kind, in_c, out_c, stride, bottleneck, sublayers: 2 };
                    let input = Shape::square(if first { in_c } else { out_c }.unsigned_abs(), side);
                    let variant = Variant::built(se);
                    let expected = lowering.kernels(&graph::sublayer(&block, first, input, variant).unwrap());
                    let mut found = Vec::new();
                    sketches
                        .kernels(lowering, &block, first, input, variant, |kernel| found.push(kernel))
                        .unwrap();
                    assert_eq!(found, expected, "{block} {lowering:?}");
                    compared += found.len();
                }
            }
        }
        assert!(compared > 1_000, "{compared}");
        let wrong = SuperBlock { kind: kinds[1], in_c: 8, out_c: 8, stride: 3, bottleneck: 8, sublayers: 1 };
        let found =
            sketches.kernels(Lowering::Fused, &wrong, true, Shape::square(8, 8), Variant::BUILT, |_| {
                panic!("a kernel of nothing")
            });
        assert!(matches!(found, Err(ShapeError::Block { index: 0, .. })));
    }
}
