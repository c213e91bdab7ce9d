//! A network that LiteRT has compiled.

use super::api::{self, Api, CPU, EnvironmentOption, FLOAT, INT8, Opaque, READ, TensorType, WRITE};
use super::{NAME, failed};
use crate::quantisation::{Affine, Maps};
use crate::{EngineError, Loaded, Tensor, checksum, weights};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;
use std::ffi::{CString, c_int, c_void};
use std::ptr::null_mut;

/// An object of LiteRT's that is destroyed when it is dropped.
struct Owned {
    raw: Opaque,
    destroy: unsafe extern "C" fn(Opaque),
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the object was made by the interface that the function belongs to, and nobody else destroys it.
        unsafe { (self.destroy)(self.raw) }
    }
}

/// A tensor with its memory.
struct Buffer {
    buffer: Owned,
    element: c_int,
    shape: Vec<usize>,
}

/// A network that is ready to run.
pub struct Model {
    api: Api,
    // In the order in which they are dropped.
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
    compiled: Owned,
    _options: Owned,
    _model: Owned,
    _environment: Owned,
    /// The file. The model refers to it.
    _bytes: Vec<u8>,
    shapes: Vec<Vec<usize>>,
    order: Order,
}

/// How the numbers of inputs and outputs are given and returned.
pub enum Order {
    /// As the file has them.
    AsInFile,
    /// As all maps of this program: floats, the channels first. The file was written by it and has the channels last. Where it
    /// is in integers, these are what those of each input, and of the output, stand for.
    ChannelsFirst { inputs: Vec<Affine>, output: Option<Affine> },
}

impl Order {
    /// For a file of `graph`, in floats or in integers that mean `maps`.
    pub fn of(graph: &Graph, maps: Option<&Maps>) -> Order {
        let is_input = |&index: &usize| graph.nodes[index].op == Op::Input;
        let nodes = 0..graph.nodes.len();
        match maps {
            None => Order::ChannelsFirst { inputs: Vec::new(), output: None },
            Some(maps) => Order::ChannelsFirst {
                inputs: nodes.clone().filter(is_input).map(|index| maps.affine(index)).collect(),
                output: nodes.last().map(|last| maps.affine(last)),
            },
        }
    }

    fn channels_first(&self) -> bool {
        matches!(self, Order::ChannelsFirst { .. })
    }

    /// What the integers of input `index` stand for, where that is known.
    fn input(&self, index: usize) -> Option<Affine> {
        match self {
            Order::AsInFile => None,
            Order::ChannelsFirst { inputs, .. } => inputs.get(index).copied(),
        }
    }

    fn output(&self) -> Option<Affine> {
        match self {
            Order::AsInFile => None,
            Order::ChannelsFirst { output, .. } => *output,
        }
    }
}

/// What to load, and how.
pub struct Settings {
    pub threads: u32,
    pub batch: u32,
    /// The seed of the inputs of timed runs.
    pub seed: u64,
}

impl Model {
    /// Compiles the network in the bytes of a `.tflite` file.
    ///
    /// # Errors
    /// What LiteRT says of it; inputs whose sizes are open, or are for another batch.
    pub fn new(api: Api, bytes: Vec<u8>, settings: &Settings, order: Order) -> Result<Model, EngineError> {
        let Settings { threads, batch, seed } = *settings;
        let mut model = compile(api, bytes, threads, order).map_err(failed)?;
        for (index, input) in model.inputs.iter().enumerate() {
            match input.shape.as_slice() {
                [first, _, ..] if *first != batch as usize => {
                    return Err(failed(format!("the file is for batch {first}, asked for is batch {batch}")));
                }
                _ => {}
            }
            let noise = weights::noise(input.shape.clone(), seed, index).data;
            model.write(input, &noise, model.order.input(index)).map_err(failed)?;
        }
        model.shapes = model.inputs.iter().map(|input| model.outside(&input.shape)).collect();
        Ok(model)
    }

    /// The shape that a map has outside of LiteRT.
    fn outside(&self, shape: &[usize]) -> Vec<usize> {
        match *shape {
            [n, h, w, c] if self.order.channels_first() => vec![n, c, h, w],
            _ => shape.to_vec(),
        }
    }

    /// Writes floats into the memory of a tensor of floats; bytes made of them into one of single bytes, which stand for what
    /// `affine` says; and zeros into all others, which count something.
    fn write(&self, to: &Buffer, values: &[f32], affine: Option<Affine>) -> Result<(), String> {
        let affine = affine.unwrap_or(Affine { scale: 1.0 / 127.0, zero_point: 0 });
        let (address, bytes) = self.lock(to, WRITE)?;
        let result = match api::element_bytes(to.element) {
            Some(4) if to.element == FLOAT && bytes >= 4 * values.len() => {
                // SAFETY: the memory holds that many floats, aligned for them, and is locked for writing.
                unsafe {
                    std::ptr::copy_nonoverlapping(values.as_ptr(), address.cast::<f32>(), values.len());
                }
                Ok(())
            }
            Some(1) if bytes >= values.len() => {
                for (place, value) in values.iter().enumerate() {
                    // SAFETY: `place` is below the number of bytes.
                    unsafe { *address.cast::<i8>().add(place) = affine.quantise(*value) };
                }
                Ok(())
            }
            Some(_) if to.element != FLOAT => {
                // SAFETY: the memory holds that many bytes.
                unsafe { std::ptr::write_bytes(address.cast::<u8>(), 0, bytes) };
                Ok(())
            }
            _ => Err(format!("an input has elements of type {} in {bytes} bytes", to.element)),
        };
        self.unlock(to)?;
        result
    }

    /// Has `read` look at the elements of a tensor of floats or of integers of eight bits; `None` for other types.
    fn read<T>(&self, from: &Buffer, read: impl FnOnce(Elements<'_>) -> T) -> Result<Option<T>, String> {
        let elements: usize = from.shape.iter().product();
        let (address, bytes) = self.lock(from, READ)?;
        let size = api::element_bytes(from.element).unwrap_or(0);
        let result = if bytes < size * elements || elements == 0 {
            Err(format!("an output of {elements} elements has {bytes} bytes"))
        } else {
            // SAFETY: the memory holds that many elements of this type, aligned for them; it is locked, so that nobody writes to
            // it.
            match from.element {
                FLOAT => Ok(Some(read(Elements::Floats(unsafe {
                    std::slice::from_raw_parts(address.cast::<f32>().cast_const(), elements)
                })))),
                INT8 => Ok(Some(read(Elements::Integers(unsafe {
                    std::slice::from_raw_parts(address.cast::<i8>().cast_const(), elements)
                })))),
                _ => Ok(None),
            }
        };
        self.unlock(from)?;
        result
    }

    /// Address and length in bytes of a tensor's memory, which is not null.
    fn lock(&self, buffer: &Buffer, how: c_int) -> Result<(*mut c_void, usize), String> {
        let (mut address, mut bytes) = (null_mut(), 0);
        // SAFETY: the buffer lives; the results are an address and a number.
        unsafe {
            let status = (self.api.get_packed_size)(buffer.buffer.raw, &raw mut bytes);
            self.api.check("LiteRtGetTensorBufferPackedSize", status)?;
            let status = (self.api.lock_tensor_buffer)(buffer.buffer.raw, &raw mut address, how);
            self.api.check("LiteRtLockTensorBuffer", status)?;
        }
        if address.is_null() { Err("a tensor has no memory".into()) } else { Ok((address, bytes)) }
    }

    fn unlock(&self, buffer: &Buffer) -> Result<(), String> {
        // SAFETY: the buffer lives and is locked.
        self.api
            .check("LiteRtUnlockTensorBuffer", unsafe { (self.api.unlock_tensor_buffer)(buffer.buffer.raw) })
    }

    fn run_compiled(&mut self) -> Result<(), String> {
        let raw =
            |buffers: &[Buffer]| buffers.iter().map(|buffer| buffer.buffer.raw).collect::<Vec<Opaque>>();
        let (mut inputs, mut outputs) = (raw(&self.inputs), raw(&self.outputs));
        // SAFETY: there is one buffer for each input and each output of the first signature; all live.
        let status = unsafe {
            (self.api.run)(
                self.compiled.raw,
                0,
                inputs.len(),
                inputs.as_mut_ptr(),
                outputs.len(),
                outputs.as_mut_ptr(),
            )
        };
        self.api.check("LiteRtRunCompiledModel", status)
    }
}

impl Loaded for Model {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        crate::check_inputs(inputs, &self.shapes)?;
        for (index, tensor) in inputs.iter().enumerate() {
            let affine = self.order.input(index);
            if self.inputs[index].element != FLOAT && affine.is_none() {
                return Err(EngineError::Input { index, reason: "its elements are no floats".into() });
            }
            let inside = match *tensor.shape {
                [n, c, h, w] if self.order.channels_first() => moved(&tensor.data, [n, c, h * w]),
                _ => tensor.data.clone(),
            };
            self.write(&self.inputs[index], &inside, affine).map_err(failed)?;
        }
        self.run_compiled().map_err(failed)?;
        let copied = |buffer: &Buffer| {
            let shape = self.outside(&buffer.shape);
            let tensor = self.read(buffer, |elements| {
                let data = elements.numbers(self.order.output());
                match *buffer.shape {
                    [n, h, w, c] if self.order.channels_first() => {
                        Tensor { shape, data: moved(&data, [n, h * w, c]) }
                    }
                    _ => Tensor { shape, data },
                }
            });
            tensor.map_err(failed)?.ok_or_else(|| EngineError::Unsupported {
                engine: NAME,
                what: "outputs that are no floats".into(),
            })
        };
        self.outputs.iter().map(copied).collect()
    }

    fn run_once(&mut self) -> Result<f64, EngineError> {
        self.run_compiled().map_err(failed)?;
        let mut sum = 0.0;
        for output in &self.outputs {
            sum += self.read(output, |elements| elements.checksum()).map_err(failed)?.unwrap_or(0.0);
        }
        Ok(sum)
    }
}

/// The elements of a tensor.
enum Elements<'a> {
    Floats(&'a [f32]),
    Integers(&'a [i8]),
}

impl Elements<'_> {
    /// What they stand for, which is themselves where nothing else is known.
    fn numbers(&self, affine: Option<Affine>) -> Vec<f32> {
        match self {
            Elements::Floats(floats) => floats.to_vec(),
            Elements::Integers(integers) => {
                let affine = affine.unwrap_or(Affine { scale: 1.0, zero_point: 0 });
                integers.iter().map(|&integer| affine.number(integer)).collect()
            }
        }
    }

    /// As [`checksum`].
    fn checksum(&self) -> f64 {
        match self {
            Elements::Floats(floats) => checksum(floats),
            Elements::Integers(integers) => {
                let step = integers.len().div_ceil(256).max(1);
                integers.iter().step_by(step).map(|&integer| f64::from(integer)).sum()
            }
        }
    }
}

/// `[n, a, b]` as `[n, b, a]`.
fn moved(data: &[f32], [n, a, b]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for image in data.chunks_exact((a * b).max(1)).take(n) {
        for j in 0..b {
            out.extend((0..a).map(|i| image[i * b + j]));
        }
    }
    out
}

fn compile(api: Api, bytes: Vec<u8>, threads: u32, order: Order) -> Result<Model, String> {
    let settings = CString::new(format!("num_threads = {threads}\n")).map_err(|e| e.to_string())?;
    let environment_options = [EnvironmentOption::processors(CPU), EnvironmentOption::least_severity(3)];
    // SAFETY: every object is made by the call that says so, owned here, and used while it lives: the environment and the bytes
    // outlive the model, and that outlives what is compiled of it. Results are addresses or numbers of these types.
    unsafe {
        let environment = api.made("LiteRtCreateEnvironment", |made| {
            (api.create_environment)(environment_options.len() as c_int, environment_options.as_ptr(), made)
        })?;
        let environment = Owned { raw: environment, destroy: api.destroy_environment };
        let model = api.made("reading the file", |made| {
            (api.create_model_from_buffer)(environment.raw, bytes.as_ptr().cast(), bytes.len(), made)
        })?;
        let model = Owned { raw: model, destroy: api.destroy_model };
        let options = api.made("LiteRtCreateOptions", |made| (api.create_options)(made))?;
        let options = Owned { raw: options, destroy: api.destroy_options };
        api.check("choosing the CPU", (api.set_hardware_accelerators)(options.raw, CPU))?;
        api.add_settings(options.raw, c"xnnpack", &settings)?;
        let compiled = api.made("compiling the network", |made| {
            (api.create_compiled_model)(environment.raw, model.raw, options.raw, made)
        })?;
        let compiled = Owned { raw: compiled, destroy: api.destroy_compiled_model };
        let mut signature: Opaque = null_mut();
        api.check("LiteRtGetModelSignature", (api.get_signature)(model.raw, 0, &raw mut signature))?;
        let (mut in_count, mut out_count) = (0, 0);
        api.check("LiteRtGetNumSignatureInputs", (api.get_num_inputs)(signature, &raw mut in_count))?;
        api.check("LiteRtGetNumSignatureOutputs", (api.get_num_outputs)(signature, &raw mut out_count))?;
        let buffer = |index: usize, is_input: bool| -> Result<Buffer, String> {
            let (mut tensor, mut requirements): (Opaque, Opaque) = (null_mut(), null_mut());
            let get = if is_input { api.get_input } else { api.get_output };
            api.check("finding a tensor", get(signature, index, &raw mut tensor))?;
            let mut kind = TensorType::default();
            api.check("LiteRtGetRankedTensorType", (api.get_tensor_type)(tensor, &raw mut kind))?;
            let require = if is_input { api.get_input_requirements } else { api.get_output_requirements };
            let status = require(compiled.raw, 0, index, &raw mut requirements);
            api.check("asking for the memory of a tensor", status)?;
            let side =
                |&side: &i32| usize::try_from(side).map_err(|_| "a tensor leaves a size open".to_owned());
            let shape = kind.dims().iter().map(side).collect::<Result<Vec<usize>, String>>()?;
            let made = api.made("making a tensor", |made| {
                (api.create_tensor_buffer)(environment.raw, &raw const kind, requirements, made)
            })?;
            let buffer = Owned { raw: made, destroy: api.destroy_tensor_buffer };
            Ok(Buffer { buffer, element: kind.element, shape })
        };
        let inputs = (0..in_count).map(|index| buffer(index, true)).collect::<Result<Vec<_>, _>>()?;
        let outputs = (0..out_count).map(|index| buffer(index, false)).collect::<Result<Vec<_>, _>>()?;
        Ok(Model {
            api,
            inputs,
            outputs,
            compiled,
            _options: options,
            _model: model,
            _environment: environment,
            _bytes: bytes,
            shapes: Vec::new(),
            order,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_move_to_the_other_end_and_back() {
        // Two images of two channels and three pixels.
        let first: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let last = moved(&first, [2, 2, 3]);
        assert_eq!(last, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
        assert_eq!(moved(&last, [2, 3, 2]), first);
    }
}
