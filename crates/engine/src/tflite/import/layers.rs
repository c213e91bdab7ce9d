//! Operators with windows and with weights.

use super::file::Operator;
use super::translate::{Translation, wrong};
use super::windows::Walk;
use crate::imported::builder::{sides, usual};
use crate::tflite::TfliteError;
use edgezen_core::plainnet::graph::Op;
use edgezen_core::plainnet::window::of_cells;
use edgezen_core::plainnet::{Shape, Window};

impl<'r, 'f> Translation<'_, 'r, 'f> {
    fn walk(
        &self,
        step: &Operator<'r, 'f>,
        kernel: [usize; 2],
        dilation: Option<[u16; 2]>,
    ) -> Result<Walk, TfliteError> {
        let same = match self.small_option(step, 0)? {
            0 => true,
            1 => false,
            other => return Err(wrong(step, format!("padding {other}"))),
        };
        let dilation = match dilation {
            Some([h, w]) => [self.option(step, h, 1)?, self.option(step, w, 1)?],
            None => [1, 1],
        };
        Ok(Walk { same, kernel, stride: [self.option(step, 2, 0)?, self.option(step, 1, 0)?], dilation })
    }

    /// The window of an operator over its first operand, checked against its output; and the shape of the map that the window
    /// walks over, without the zeros that a padding before it adds.
    fn window(
        &mut self,
        step: &Operator<'r, 'f>,
        x: usize,
        walk: Walk,
        out_c: usize,
    ) -> Result<(Window, Shape), TfliteError> {
        let (input, output) = (self.operand(step, 0)?, self.dims(step.outputs[0]));
        let &[images, h, w, _] = self.dims(input) else { return Err(wrong(step, "its operand is no map")) };
        let window = walk.window([h, w]).map_err(|reason| wrong(step, reason))?;
        let [out_h, out_w] = window.out.map(|side| side as usize);
        if output != [images, out_h, out_w, out_c] {
            return Err(wrong(step, format!("{output:?} come out, not {:?}", [images, out_h, out_w, out_c])));
        }
        Ok((window, self.built.shape(x)))
    }

    pub(super) fn convolution(
        &mut self,
        step: &Operator<'r, 'f>,
        x: Option<usize>,
    ) -> Result<Option<usize>, TfliteError> {
        let (input, weight) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let (Some(x), true) = (x, self.file.tensors[weight].constant) else { return Ok(None) };
        let &[out_c, h, w, inside] = self.dims(weight) else {
            return Err(wrong(step, "its weight is no window"));
        };
        let in_c = self.dims(input).last().copied().unwrap_or(0);
        if inside == 0 || out_c == 0 || in_c % inside != 0 || out_c % (in_c / inside).max(1) != 0 || in_c == 0
        {
            return Err(wrong(step, format!("{in_c} channels for weights of {inside}, {out_c} of them")));
        }
        let walk = self.walk(step, [h, w], Some([5, 4]))?;
        let found = self.window(step, x, walk, out_c)?;
        self.windowed(step, x, found, [in_c, out_c], in_c / inside, 3)
    }

    pub(super) fn depthwise(
        &mut self,
        step: &Operator<'r, 'f>,
        x: Option<usize>,
    ) -> Result<Option<usize>, TfliteError> {
        let (input, weight) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let (Some(x), true) = (x, self.file.tensors[weight].constant) else { return Ok(None) };
        let &[1, h, w, out_c] = self.dims(weight) else { return Err(wrong(step, "its weight is no window")) };
        let in_c = self.dims(input).last().copied().unwrap_or(0);
        if in_c == 0 || out_c == 0 || out_c % in_c != 0 {
            return Err(wrong(step, format!("{in_c} channels for {out_c} weights")));
        }
        let walk = self.walk(step, [h, w], Some([6, 5]))?;
        let found = self.window(step, x, walk, out_c)?;
        self.windowed(step, x, found, [in_c, out_c], in_c, 4)
    }

    fn windowed(
        &mut self,
        step: &Operator<'r, 'f>,
        x: usize,
        (window, from): (Window, Shape),
        channels: [usize; 2],
        groups: usize,
        act: u16,
    ) -> Result<Option<usize>, TfliteError> {
        let [in_c, out_c, groups] =
            [channels[0], channels[1], groups].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let bias = step.inputs.get(2).copied().flatten().is_some();
        let node = match usual(&window, from) {
            Some((kernel, stride)) => Op::Conv { in_c, out_c, kernel, stride, groups, bias },
            None => Op::AnyConv { in_c, out_c, groups, bias, window },
        };
        let node = self.built.push(node, vec![x]);
        self.activated(step, act, node).map(Some)
    }

    /// A convolution that spreads each pixel over a window of its output.
    pub(super) fn transposed(
        &mut self,
        step: &Operator<'r, 'f>,
        x: Option<usize>,
    ) -> Result<Option<usize>, TfliteError> {
        let weight = self.operand(step, 1)?;
        let (Some(x), true) = (x, self.file.tensors[weight].constant) else { return Ok(None) };
        let (&[out_c, h, w, in_c], &[_, out_h, out_w, _]) = (self.dims(weight), self.dims(step.outputs[0]))
        else {
            return Err(wrong(step, "it is not between maps"));
        };
        let walk = self.walk(step, [h, w], None)?;
        let mut window = walk.window([out_h, out_w]).map_err(|reason| wrong(step, reason))?;
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        // It is the convolution of its output that would give its input.
        let input = self.dims(self.operand(step, 2)?);
        if input.get(1..3) != Some(&window.out.map(|side| side as usize)[..]) {
            return Err(wrong(step, format!("{input:?} become {out_h}×{out_w}")));
        }
        (window.out, window.transposed) = ([number(out_h), number(out_w)], true);
        if self.built.shape(x).c != number(in_c) || in_c == 0 || out_c == 0 {
            return Err(wrong(step, format!("{} channels for weights of {in_c}", self.built.shape(x).c)));
        }
        let bias = step.inputs.get(3).copied().flatten().is_some();
        let op = Op::AnyConv { in_c: number(in_c), out_c: number(out_c), groups: 1, bias, window };
        let node = self.built.push(op, vec![x]);
        self.activated(step, 3, node).map(Some)
    }

    pub(super) fn linear(
        &mut self,
        step: &Operator<'r, 'f>,
        x: Option<usize>,
    ) -> Result<Option<usize>, TfliteError> {
        let (input, weight) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let (Some(x), true) = (x, self.file.tensors[weight].constant) else { return Ok(None) };
        let &[out_c, in_c] = self.dims(weight) else { return Err(wrong(step, "its weight is no matrix")) };
        let elements = self.dims(input).iter().product::<usize>();
        if in_c == 0 || out_c == 0 || elements % (in_c * self.batch) != 0 {
            return Err(wrong(step, format!("{elements} numbers for rows of {in_c}")));
        }
        let rows = elements / in_c;
        let out = self.dims(step.outputs[0]).iter().product::<usize>();
        if rows.checked_mul(out_c) != Some(out) {
            return Err(wrong(step, format!("{out} numbers come out, not {rows} rows of {out_c}")));
        }
        let bias = step.inputs.get(2).copied().flatten().is_some();
        let Some(node) = self.rows(x, input, rows, [in_c, out_c], bias) else { return Ok(None) };
        self.activated(step, 0, node).map(Some)
    }

    /// Products of rows with weights.
    fn rows(
        &mut self,
        x: usize,
        input: usize,
        rows: usize,
        channels: [usize; 2],
        bias: bool,
    ) -> Option<usize> {
        let rows = rows / self.batch;
        let sides = match *self.dims(input) {
            // The map keeps its sides.
            [_, h, w, _] if h * w == rows => [h, w],
            _ => sides(rows),
        };
        self.built.weighted(x, channels, 1, sides, bias)
    }

    pub(super) fn product(
        &mut self,
        step: &Operator<'r, 'f>,
        nodes: &[Option<usize>],
    ) -> Result<Option<usize>, TfliteError> {
        let (input, weight) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let (Some(x), true) = (nodes[0], self.file.tensors[weight].constant) else { return Ok(None) };
        let flag = |slot| step.options.as_ref().map_or(Ok(false), |options| options.flag(slot, false));
        let (&[rows, inside], false) = (self.dims(weight), flag(0)?) else { return Ok(None) };
        let [in_c, out_c] = if flag(1)? { [inside, rows] } else { [rows, inside] };
        let elements = self.dims(input).iter().product::<usize>();
        if in_c == 0 || out_c == 0 || elements % (in_c * self.batch) != 0 {
            return Err(wrong(step, format!("{elements} numbers for rows of {in_c}")));
        }
        Ok(self.rows(x, input, elements / in_c, [in_c, out_c], false))
    }

    pub(super) fn pool(
        &mut self,
        step: &Operator<'r, 'f>,
        x: Option<usize>,
    ) -> Result<Option<usize>, TfliteError> {
        let Some(x) = x else { return Ok(None) };
        let side = |side: i32| usize::try_from(side).unwrap_or(0);
        let kernel = [side(self.option(step, 4, 0)?), side(self.option(step, 3, 0)?)];
        let walk = self.walk(step, kernel, None)?;
        let channels = self.dims(self.operand(step, 0)?).last().copied().unwrap_or(0);
        let (window, from) = self.window(step, x, walk, channels)?;
        let op = match usual(&window, from) {
            Some((kernel, stride)) if step.name == "MAX_POOL_2D" => Op::MaxPool { kernel, stride },
            _ if step.name == "MAX_POOL_2D" => Op::AnyPool { window },
            _ if window.out == [1, 1] && window.kernel == [from.h, from.w] => Op::GlobalAvgPool,
            _ => cells(&window, from).map_or(Op::AnyPool { window }, |size| Op::AdaptiveAvgPool { size }),
        };
        let node = self.built.push(op, vec![x]);
        self.activated(step, 5, node).map(Some)
    }
}

/// The grid of cells that a window of a mean tiles a map with.
fn cells(window: &Window, from: Shape) -> Option<u32> {
    let size = window.out[0];
    let alike =
        |axis: usize, side: u32| of_cells(side, size) == Some((window.kernel[axis], window.stride[axis]));
    (window.out == [size; 2] && size > 1 && alike(0, from.h) && alike(1, from.w)).then_some(size)
}
