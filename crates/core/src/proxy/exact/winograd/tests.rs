use super::{Registers, Scheme, Scratch};
use crate::plainnet::Shape;
use crate::proxy::exact::buffer::Buffer;
use crate::proxy::exact::conv::Workspace;
use crate::proxy::exact::layer::{Conv, by_part};
use crate::proxy::exact::map::Map;
use crate::proxy::exact::map::Pending;
use crate::proxy::exact::real::Real;
use crate::proxy::exact::source::Source;
use crate::proxy::exact::source::{Scaling, Seeded, Tensor};
use pulp::{Simd, WithSimd};
use std::sync::Arc;

fn conv(input: (u32, u32), channels: (u32, u32), kernel: usize, stride: usize) -> Conv {
    let side = |side: u32| (side + 2 * ((kernel as u32 - 1) / 2) - kernel as u32) / stride as u32 + 1;
    Conv {
        input: Shape { c: channels.0, h: input.0, w: input.1 },
        output: Shape { c: channels.1, h: side(input.0), w: side(input.1) },
        kernel,
        stride,
        groups: 1,
    }
}

fn map<T: Real>(conv: &Conv, source: &Seeded, images: usize) -> Map<T> {
    let mut data = vec![0f32; images * conv.input.elements() as usize];
    source.fill(Tensor::Input, 0, &mut data);
    let channels = conv.input.c as usize;
    let affine = (0..2 * channels).map(|c| [T::of(0.5 + c as f64 / 16.0), T::of(0.1 * c as f64 - 0.3)]);
    Map {
        shape: conv.input,
        images,
        parts: 2,
        data: Arc::new(data.into_iter().map(|x| T::of(f64::from(x))).collect::<Vec<T>>().into()),
        pending: Pending { affine: Some(Arc::new(affine.collect())), relu: true },
    }
}

/// Relative error (root mean square) of the short algorithm against a direct convolution in double precision.
fn error(registers: impl Registers, conv: &Conv, points: usize, images: usize) -> Option<f64> {
    let source = Seeded { seed: 3, repeat: 0, salt: 0, scaling: Scaling::Unit };
    let scheme = Scheme::new(conv, points, images, 2)?;
    let len = images * conv.output.elements() as usize;

    let exact = map::<f64>(conv, &source, images);
    let mut want = vec![0f64; len];
    let mut work = Workspace::default();
    conv.draw(5, &source, &mut work, images, 2);
    let want_sums = conv.run(&exact, &mut want, &work);

    let single = map::<f32>(conv, &source, images);
    let (mut weights, mut got) = (Buffer::default(), vec![f32::NAN; len]);
    scheme.draw_in::<f32>(registers, 5, &source, &mut weights, &Scratch::default, &|_| ());
    let parts = scheme.run_in(registers, &single, &mut got, &weights, &Scratch::default, &|_| ());
    let sums = by_part(2, conv.output.c as usize, parts);
    for (got, want) in sums.iter().zip(&want_sums) {
        assert!((got.squares / want.squares - 1.0).abs() < 1e-4, "{conv:?}: {got:?} {want:?}");
    }
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let off = squares(&mut got.iter().zip(&want).map(|(&got, want)| f64::from(got) - want));
    Some((off / squares(&mut want.iter().copied())).sqrt())
}

/// Registers of a width that the processor may lack.
#[derive(Clone, Copy)]
struct Emulated<S>(S);

impl<S: Simd> Registers for Emulated<S> {
    fn run(self, work: impl WithSimd<Output = ()>) {
        work.with_simd(self.0);
    }
}

fn agree_with_direct_convolutions(registers: impl Registers) {
    for (kernel, stride) in [(3, 1), (5, 1), (7, 1), (3, 2), (5, 2), (7, 2)] {
        for (input, channels, images) in [
            ((7, 7), (20, 12), 6),
            ((14, 14), (3, 8), 4),
            ((9, 13), (5, 17), 2),
            ((56, 56), (4, 9), 2),
            ((1, 2), (2, 3), 4),
        ] {
            for points in [6, 8] {
                let conv = conv(input, channels, kernel, stride);
                let Some(error) = error(registers, &conv, points, images) else { continue };
                assert!(error < 2e-5, "{conv:?}, {points} points: {error:e}");
            }
        }
    }
}

#[test]
fn short_algorithms_agree_with_direct_convolutions() {
    agree_with_direct_convolutions(pulp::Arch::new());
}

#[test]
fn short_algorithms_agree_in_registers_of_every_width() {
    agree_with_direct_convolutions(Emulated(pulp::Scalar::new()));
    agree_with_direct_convolutions(Emulated(pulp::Scalar128b));
    agree_with_direct_convolutions(Emulated(pulp::Scalar256b));
    agree_with_direct_convolutions(Emulated(pulp::Scalar512b));
}

#[test]
fn short_algorithms_are_for_dense_windows_in_single_precision() {
    let dense = conv((14, 14), (160, 160), 5, 1);
    assert!(Scheme::choose::<f32>(&dense, 32, 2).is_some());
    assert!(Scheme::choose::<f64>(&dense, 32, 2).is_none());
    assert!(Scheme::choose::<f32>(&Conv { kernel: 1, ..dense }, 32, 2).is_none());
    assert!(Scheme::choose::<f32>(&Conv { groups: 160, ..dense }, 32, 2).is_none());
    assert!(Scheme::choose::<f32>(&conv((56, 56), (64, 64), 3, 1), 32, 2).is_some());
    // The first layer of most networks has three channels: there the tiles would cost more than the products.
    assert!(Scheme::choose::<f32>(&conv((224, 224), (3, 16), 3, 2), 32, 2).is_none());
}
