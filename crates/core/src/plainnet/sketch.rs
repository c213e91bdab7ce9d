//! Sublayers of super blocks as far as their kernels need them. A search of latencies looks at many sublayers of few forms: which of their
//! operations become one kernel depends on the form alone, and is found out once, by the graph ([`super::lowering`]).

use super::block::{Step, SuperBlock, SuperKind, Variant};
use super::graph::{self, Graph, Op, Operations};
use super::kernel::Kernel;
use super::lowering::{self, Lowering, Part};
use super::shape::{self, Shape, ShapeError};
use rustc_hash::FxHashMap;

/// The operations of one sublayer, in a buffer that is used again.
#[derive(Clone, Debug, Default)]
struct Sketch {
    operations: Vec<Operation>,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    op: Op,
    input: Shape,
    shape: Shape,
}

impl Operations for Sketch {
    #[inline]
    fn append(&mut self, op: Op, inputs: &[usize]) -> usize {
        let index = self.operations.len();
        let shape_of = |&input: &usize| self.operations[input].shape;
        let first = inputs.first().map_or(self.operations[0].shape, shape_of);
        let shape = op.output(first, || inputs.iter().map(|input| shape_of(input).c).sum());
        self.operations.push(Operation { op, input: first, shape });
        index
    }
}

/// What the operations of a sublayer are and read, but for sizes, follows from this: the kind of the block without its kernel, the
/// shortcuts that project, and what it is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Form(u32);

impl Form {
    /// But for the shortcuts.
    fn of(block: &SuperBlock, variant: Variant) -> Form {
        let kind = match block.kind {
            SuperKind::Conv { .. } => 0,
            SuperKind::Residual { .. } => 1,
            SuperKind::Bottleneck { .. } => 2,
            SuperKind::Inverted { .. } => 3,
        };
        let Variant { reslink, se, bn } = variant;
        Form([reslink, se, bn].into_iter().fold(kind, |form, built| form << 1 | u32::from(built)))
    }

    /// With what a step of the walk through the sublayer says of it.
    fn see(&mut self, step: &Step) {
        if let Step::Leave(shortcut) = step {
            self.0 = self.0 << 1 | u32::from(shortcut.projection);
        }
    }
}

/// What lowerings make of the forms that were seen.
#[derive(Clone, Debug, Default)]
pub struct Sketches {
    sketch: Sketch,
    forms: FxHashMap<(Form, Lowering), Box<[Part]>>,
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
        if !shape::fits(block, input) {
            let graph = graph::sublayer(block, first, input, variant)?;
            lowering.kernels(&graph).into_iter().for_each(visit);
            return Ok(());
        }
        let operations = &mut self.sketch.operations;
        operations.clear();
        operations.push(Operation { op: Op::Input, input, shape: input });
        let mut form = Form::of(block, variant);
        graph::append_seen(&mut self.sketch, block, first, variant, |step| form.see(step));
        let parts = self.forms.entry((form, lowering)).or_insert_with(|| {
            let mut graph = Graph::new(input);
            graph::append_sublayer(&mut graph, block, first, variant);
            lowering.parts(&graph).into()
        });
        for part in &**parts {
            let Operation { op, input, shape } = self.sketch.operations[part.node];
            lowering.each_of(part.kernel(lowering::alone(op, input, shape)), &mut visit);
        }
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
