//! A network that ONNX Runtime has loaded.

use super::api::{self, Api, FLOAT, Opaque};
use super::{NAME, failed};
use crate::{EngineError, Loaded, Tensor, checksum, weights};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// An object of ONNX Runtime's that is released when it is dropped.
pub struct Owned {
    raw: Opaque,
    release: unsafe extern "C" fn(Opaque),
}

impl Owned {
    /// Takes over an object that `release` releases.
    pub fn new(raw: Opaque, release: unsafe extern "C" fn(Opaque)) -> Owned {
        Owned { raw, release }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the object was made by the interface that the function belongs to, and nobody else releases it.
        unsafe { (self.release)(self.raw) }
    }
}

/// What every session of a process shares.
pub struct Environment {
    pub api: Api,
    env: Owned,
    /// Where tensors lie: in ordinary memory.
    memory: Owned,
}

// SAFETY: an environment, and a description of memory, may be used by several threads at once, as the interface says.
unsafe impl Send for Environment {}
// SAFETY: as above.
unsafe impl Sync for Environment {}

impl Environment {
    /// # Errors
    /// What ONNX Runtime says.
    pub fn new(api: Api) -> Result<Environment, String> {
        // Only what ends the program is logged; everything else comes back as an error.
        const FATAL: c_int = 4;
        // SAFETY: the name ends with a zero; the results are owned here.
        let env = api.made(|env| unsafe { (api.create_env)(FATAL, c"edgezen".as_ptr(), env) })?;
        let env = Owned::new(env, api.release_env);
        // SAFETY: as above. 0 and 0: the device's allocator, and its usual memory.
        let memory = api.made(|memory| unsafe { (api.create_cpu_memory_info)(0, 0, memory) })?;
        Ok(Environment { api, env, memory: Owned::new(memory, api.release_memory_info) })
    }
}

/// How a session is made.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    pub threads: u32,
    /// Where the graph is written as it is run, after all rewriting.
    pub optimised: Option<&'a Path>,
}

/// Where the network comes from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    Bytes(&'a [u8]),
    /// A file, which may refer to files beside it.
    File(&'a Path),
}

/// A value that the interface shows as a tensor, with the memory that it lies in.
struct Value {
    value: Owned,
    /// Bytes of the elements. The tensor refers to them.
    _data: Vec<u64>,
}

/// A declared input.
#[derive(Debug)]
struct Input {
    name: CString,
    kind: c_int,
    /// Sizes; those that the file leaves open are negative.
    dims: Vec<i64>,
}

/// A network that is ready to run.
pub struct Session {
    // In the order in which they are dropped.
    fixed: Vec<Value>,
    session: Owned,
    inputs: Vec<Input>,
    outputs: Vec<CString>,
    shapes: Vec<Vec<usize>>,
    environment: Arc<Environment>,
}

impl Session {
    /// Loads a network for `batch` images. Timed runs have inputs drawn from `seed`.
    ///
    /// # Errors
    /// What ONNX Runtime says of it; inputs whose sizes are open.
    pub fn new(
        environment: Arc<Environment>,
        source: Source<'_>,
        settings: Settings<'_>,
        batch: u32,
        seed: u64,
    ) -> Result<Session, EngineError> {
        let session = create(&environment, source, settings).map_err(failed)?;
        let inputs = inputs(&environment.api, session.raw).map_err(failed)?;
        let outputs = outputs(&environment.api, session.raw).map_err(failed)?;
        let shapes = inputs.iter().map(|input| shape(input, batch)).collect::<Result<Vec<_>, _>>()?;
        let mut session = Session { fixed: Vec::new(), session, inputs, outputs, shapes, environment };
        for index in 0..session.inputs.len() {
            let value = session.drawn(index, seed).map_err(failed)?;
            session.fixed.push(value);
        }
        Ok(session)
    }

    /// Input `index` for timed runs: noise where it is of floats, zeros where it counts something.
    fn drawn(&self, index: usize, seed: u64) -> Result<Value, String> {
        let (kind, shape) = (self.inputs[index].kind, &self.shapes[index]);
        if kind == FLOAT {
            return self.value(kind, shape, &weights::noise(shape.clone(), seed, index).data);
        }
        let bytes = api::element_bytes(kind)
            .ok_or_else(|| format!("input {index} has elements of an unknown type ({kind})"))?;
        let elements: usize = shape.iter().product();
        self.value(kind, shape, &vec![0.0; (elements * bytes).div_ceil(4)])
    }

    /// A tensor of these bytes, which are given as floats.
    fn value(&self, kind: c_int, shape: &[usize], data: &[f32]) -> Result<Value, String> {
        let api = &self.environment.api;
        let elements: usize = shape.iter().product();
        let bytes = elements * api::element_bytes(kind).unwrap_or(0);
        let dims: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        // Words of eight bytes are aligned for every type of element.
        let mut words = vec![0_u64; bytes.div_ceil(8).max(1)];
        for (word, pair) in words.iter_mut().zip(data.chunks(2)) {
            let high = pair.get(1).map_or(0, |value| value.to_bits());
            let halves = [pair[0].to_bits().to_ne_bytes(), high.to_ne_bytes()].concat();
            *word = halves.try_into().map(u64::from_ne_bytes).unwrap_or_default();
        }
        let address: *mut c_void = words.as_mut_ptr().cast();
        // SAFETY: `address` points to at least `bytes` bytes, which live as long as the tensor: both are in one `Value`, the
        // vector is never changed, and moving it does not move its elements. `dims` is as long as it says.
        let value = api.made(|value| unsafe {
            let memory = self.environment.memory.raw;
            (api.create_tensor_with_data)(memory, address, bytes, dims.as_ptr(), dims.len(), kind, value)
        })?;
        Ok(Value { value: Owned::new(value, api.release_value), _data: words })
    }

    /// Runs on `values`, one for each input, and gives one value for each output.
    fn outputs_of(&self, values: &[Value]) -> Result<Vec<Owned>, String> {
        let api = &self.environment.api;
        let names: Vec<*const c_char> = self.inputs.iter().map(|input| input.name.as_ptr()).collect();
        let values: Vec<Opaque> = values.iter().map(|value| value.value.raw).collect();
        let wanted: Vec<*const c_char> = self.outputs.iter().map(|name| name.as_ptr()).collect();
        let mut results: Vec<Opaque> = vec![null_mut(); wanted.len()];
        // SAFETY: all names end with a zero and live until the call ends; each array is as long as the number beside it, and
        // there is one value for each input, as `check_inputs` and `new` see to. Null options are the usual ones.
        let status = unsafe {
            (api.run)(
                self.session.raw,
                null_mut(),
                names.as_ptr(),
                values.as_ptr(),
                values.len(),
                wanted.as_ptr(),
                wanted.len(),
                results.as_mut_ptr(),
            )
        };
        let made = results.into_iter().filter(|raw| !raw.is_null());
        let made: Vec<Owned> = made.map(|raw| Owned::new(raw, api.release_value)).collect();
        api.check(status)?;
        if made.len() == self.outputs.len() { Ok(made) } else { Err("an output is missing".into()) }
    }

    /// Has `read` look at the elements of a tensor of floats; `None` for values of other types.
    fn floats<T>(
        &self,
        value: &Owned,
        read: impl FnOnce(&[f32], Vec<usize>) -> T,
    ) -> Result<Option<T>, String> {
        let api = &self.environment.api;
        let mut is_tensor = 0;
        // SAFETY: the value is one of this interface; the result is a number of this type.
        api.check(unsafe { (api.is_tensor)(value.raw, &raw mut is_tensor) })?;
        if is_tensor == 0 {
            return Ok(None);
        }
        // SAFETY: as above; the result is owned here.
        let info = api.made(|info| unsafe { (api.get_tensor_type_and_shape)(value.raw, info) })?;
        let info = Owned::new(info, api.release_tensor_type_and_shape_info);
        let (kind, dims) = type_and_dims(api, info.raw)?;
        if kind != FLOAT {
            return Ok(None);
        }
        let shape: Vec<usize> = dims.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
        let elements: usize = shape.iter().product();
        let mut data: *mut c_void = null_mut();
        // SAFETY: the value is a tensor; the address is that of its elements.
        api.check(unsafe { (api.get_tensor_mutable_data)(value.raw, &raw mut data) })?;
        if data.is_null() || elements == 0 {
            return Ok(Some(read(&[], shape)));
        }
        // SAFETY: the tensor holds as many floats as its shape says, aligned, and lives as long as `value`; nobody writes to it
        // meanwhile.
        let slice = unsafe { std::slice::from_raw_parts(data.cast::<f32>().cast_const(), elements) };
        Ok(Some(read(slice, shape)))
    }
}

impl Loaded for Session {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        crate::check_inputs(inputs, &self.shapes)?;
        if let Some(index) = self.inputs.iter().position(|input| input.kind != FLOAT) {
            return Err(EngineError::Input { index, reason: "its elements are no floats".into() });
        }
        let values = inputs
            .iter()
            .map(|tensor| self.value(FLOAT, &tensor.shape, &tensor.data))
            .collect::<Result<Vec<_>, _>>();
        let outputs = self.outputs_of(&values.map_err(failed)?).map_err(failed)?;
        let copied = |value: &Owned| {
            let tensor = self.floats(value, |data, shape| Tensor { shape, data: data.to_vec() });
            match tensor.map_err(failed)? {
                Some(tensor) => Ok(tensor),
                None => {
                    Err(EngineError::Unsupported { engine: NAME, what: "outputs that are no floats".into() })
                }
            }
        };
        outputs.iter().map(copied).collect()
    }

    fn run_once(&mut self) -> Result<f64, EngineError> {
        let outputs = self.outputs_of(&self.fixed).map_err(failed)?;
        let mut sum = 0.0;
        for output in &outputs {
            sum += self.floats(output, |data, _| checksum(data)).map_err(failed)?.unwrap_or(0.0);
        }
        Ok(sum)
    }
}

fn create(environment: &Environment, source: Source<'_>, settings: Settings<'_>) -> Result<Owned, String> {
    const ALL: c_int = 99;
    let api = &environment.api;
    let threads = c_int::try_from(settings.threads).map_err(|e| e.to_string())?;
    // SAFETY: the result is owned here. Every call below gets these options and texts that end with a zero and live until the
    // call ends; the interface copies them.
    unsafe {
        let options = api.made(|options| (api.create_session_options)(options))?;
        let options = Owned::new(options, api.release_session_options);
        api.check((api.set_session_graph_optimization_level)(options.raw, ALL))?;
        api.check((api.set_intra_op_num_threads)(options.raw, threads))?;
        api.check((api.set_inter_op_num_threads)(options.raw, 1))?;
        // Waiting threads sleep: one that spins takes time from whatever else runs on its core.
        for key in [c"session.intra_op.allow_spinning", c"session.inter_op.allow_spinning"] {
            api.check((api.add_session_config_entry)(options.raw, key.as_ptr(), c"0".as_ptr()))?;
        }
        if let Some(path) = settings.optimised {
            let path = text_of(path)?;
            api.check((api.set_optimized_model_file_path)(options.raw, path.as_ptr()))?;
        }
        let session = match source {
            Source::Bytes(bytes) => api.made(|session| {
                let (data, length) = (bytes.as_ptr().cast(), bytes.len());
                (api.create_session_from_array)(environment.env.raw, data, length, options.raw, session)
            })?,
            Source::File(path) => {
                let path = text_of(path)?;
                api.made(|session| {
                    (api.create_session)(environment.env.raw, path.as_ptr(), options.raw, session)
                })?
            }
        };
        Ok(Owned::new(session, api.release_session))
    }
}

fn text_of(path: &Path) -> Result<CString, String> {
    let text = path.to_str().ok_or_else(|| format!("{} is not text", path.display()))?;
    CString::new(text).map_err(|e| e.to_string())
}

fn inputs(api: &Api, session: Opaque) -> Result<Vec<Input>, String> {
    let mut count = 0;
    // SAFETY: the result is a number of this type.
    api.check(unsafe { (api.session_get_input_count)(session, &raw mut count) })?;
    let mut inputs = Vec::with_capacity(count);
    for index in 0..count {
        let name = name(api, |allocator, name| {
            // SAFETY: `index` is below the number of inputs; `name` tells where the result goes.
            unsafe { (api.session_get_input_name)(session, index, allocator, name) }
        })?;
        // SAFETY: as above; the result is owned here.
        let info = api.made(|info| unsafe { (api.session_get_input_type_info)(session, index, info) })?;
        let info = Owned::new(info, api.release_type_info);
        let mut tensor: Opaque = null_mut();
        // SAFETY: the result belongs to `info`, and is used while that lives.
        api.check(unsafe { (api.cast_type_info_to_tensor_info)(info.raw, &raw mut tensor) })?;
        if tensor.is_null() {
            return Err(format!("input {} is no tensor", name.to_string_lossy()));
        }
        let (kind, dims) = type_and_dims(api, tensor)?;
        inputs.push(Input { name, kind, dims });
    }
    Ok(inputs)
}

fn outputs(api: &Api, session: Opaque) -> Result<Vec<CString>, String> {
    let mut count = 0;
    // SAFETY: the result is a number of this type.
    api.check(unsafe { (api.session_get_output_count)(session, &raw mut count) })?;
    (0..count)
        .map(|index| {
            name(api, |allocator, name| {
                // SAFETY: `index` is below the number of outputs; `name` tells where the result goes.
                unsafe { (api.session_get_output_name)(session, index, allocator, name) }
            })
        })
        .collect()
}

/// A text that `call` makes with the usual allocator. It is copied, and given back.
fn name(api: &Api, call: impl FnOnce(Opaque, *mut *mut c_char) -> *mut c_void) -> Result<CString, String> {
    let mut text: *mut c_char = null_mut();
    // SAFETY: the usual allocator lives as long as the library and is not released. The text ends with a zero, comes from that
    // allocator, and is given back to it once, after it was copied.
    unsafe {
        let allocator = api.made(|allocator| (api.get_allocator_with_default_options)(allocator))?;
        api.check(call(allocator, &raw mut text))?;
        if text.is_null() {
            return Err("a name is missing".into());
        }
        let copy = CStr::from_ptr(text).to_owned();
        api.check((api.allocator_free)(allocator, text.cast()))?;
        Ok(copy)
    }
}

/// Type of the elements, and sizes.
fn type_and_dims(api: &Api, info: Opaque) -> Result<(c_int, Vec<i64>), String> {
    let (mut kind, mut count) = (0, 0);
    // SAFETY: `info` describes a tensor; the results are numbers of these types, and `dims` is as long as it says.
    unsafe {
        api.check((api.get_tensor_element_type)(info, &raw mut kind))?;
        api.check((api.get_dimensions_count)(info, &raw mut count))?;
        let mut dims = vec![0_i64; count];
        let address = if dims.is_empty() { null::<i64>().cast_mut() } else { dims.as_mut_ptr() };
        api.check((api.get_dimensions)(info, address, count))?;
        Ok((kind, dims))
    }
}

/// Largest input in elements; a file that asks for more is taken to be damaged.
const MAX_ELEMENTS: usize = 1 << 28;

/// The shape of an input for `batch` images: a first size that is open is the batch.
fn shape(input: &Input, batch: u32) -> Result<Vec<usize>, EngineError> {
    let name = input.name.to_string_lossy();
    let mut shape = Vec::with_capacity(input.dims.len());
    for (place, &dim) in input.dims.iter().enumerate() {
        match usize::try_from(dim) {
            Ok(size) if place == 0 && input.dims.len() > 1 && size != batch as usize && size > 0 => {
                return Err(failed(format!("the file is for batch {size}, asked for is batch {batch}")));
            }
            Ok(size) => shape.push(size),
            Err(_) if place == 0 => shape.push(batch as usize),
            Err(_) => {
                return Err(failed(format!(
                    "input {name:?} leaves its size open; export the network for one resolution"
                )));
            }
        }
    }
    let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    match elements {
        Some(elements) if elements <= MAX_ELEMENTS => Ok(shape),
        _ => Err(failed(format!("input {name:?} is too large"))),
    }
}
