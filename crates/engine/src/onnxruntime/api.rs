//! The functions of ONNX Runtime's C interface that are used here.
//!
//! Its library exports one function, `OrtGetApiBase`. That leads to a table of function pointers, to which newer versions
//! append (`onnxruntime_c_api.h`, struct `OrtApi`): the place of a function never changes.

use crate::library::Library;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

/// The version of the table that is asked for. Versions 1.17 and later have it.
const API_VERSION: u32 = 17;

/// What the interface does not show the inside of.
pub type Opaque = *mut c_void;
/// Null, or an error that the caller releases.
type Status = *mut c_void;

#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "C" fn(u32) -> *const *const c_void,
    get_version_string: unsafe extern "C" fn() -> *const c_char,
}

macro_rules! table {
    ($($(#[$doc:meta])* $place:literal $name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// Functions by name. The number before each is its place in the table.
        #[allow(clippy::type_complexity)]
        #[derive(Clone, Copy)]
        pub struct Api {
            $($(#[$doc])* pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Api {
            /// # Safety
            /// `table` points to ONNX Runtime's table of version 17 or a later one.
            unsafe fn of(table: *const *const c_void) -> Option<Api> {
                // SAFETY: version 17 has more than 260 places, all beyond the ones read here; each holds a function of the type
                // that the header gives for it, or null.
                unsafe {
                    Some(Api { $($name: {
                        let address = *table.add($place);
                        if address.is_null() {
                            return None;
                        }
                        std::mem::transmute::<*const c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(address)
                    },)* })
                }
            }
        }
    };
}

table! {
    2 get_error_message: fn(*const c_void) -> *const c_char;
    /// Severity of messages that are logged, name, result.
    3 create_env: fn(c_int, *const c_char, *mut Opaque) -> Status;
    7 create_session: fn(Opaque, *const c_char, Opaque, *mut Opaque) -> Status;
    8 create_session_from_array: fn(Opaque, *const c_void, usize, Opaque, *mut Opaque) -> Status;
    /// Session, options, names and values of inputs, their number, names of outputs, their number, results.
    9 run: fn(Opaque, Opaque, *const *const c_char, *const Opaque, usize, *const *const c_char, usize, *mut Opaque) -> Status;
    10 create_session_options: fn(*mut Opaque) -> Status;
    11 set_optimized_model_file_path: fn(Opaque, *const c_char) -> Status;
    23 set_session_graph_optimization_level: fn(Opaque, c_int) -> Status;
    24 set_intra_op_num_threads: fn(Opaque, c_int) -> Status;
    25 set_inter_op_num_threads: fn(Opaque, c_int) -> Status;
    30 session_get_input_count: fn(Opaque, *mut usize) -> Status;
    31 session_get_output_count: fn(Opaque, *mut usize) -> Status;
    33 session_get_input_type_info: fn(Opaque, usize, *mut Opaque) -> Status;
    36 session_get_input_name: fn(Opaque, usize, Opaque, *mut *mut c_char) -> Status;
    37 session_get_output_name: fn(Opaque, usize, Opaque, *mut *mut c_char) -> Status;
    /// Place of the memory, its address and length, sizes and their number, type of the elements, result.
    49 create_tensor_with_data: fn(Opaque, *mut c_void, usize, *const i64, usize, c_int, *mut Opaque) -> Status;
    50 is_tensor: fn(Opaque, *mut c_int) -> Status;
    51 get_tensor_mutable_data: fn(Opaque, *mut *mut c_void) -> Status;
    /// The result belongs to the first argument.
    55 cast_type_info_to_tensor_info: fn(Opaque, *mut Opaque) -> Status;
    60 get_tensor_element_type: fn(Opaque, *mut c_int) -> Status;
    61 get_dimensions_count: fn(Opaque, *mut usize) -> Status;
    62 get_dimensions: fn(Opaque, *mut i64, usize) -> Status;
    65 get_tensor_type_and_shape: fn(Opaque, *mut Opaque) -> Status;
    69 create_cpu_memory_info: fn(c_int, c_int, *mut Opaque) -> Status;
    76 allocator_free: fn(Opaque, *mut c_void) -> Status;
    78 get_allocator_with_default_options: fn(*mut Opaque) -> Status;
    92 release_env: fn(Opaque);
    93 release_status: fn(Status);
    94 release_memory_info: fn(Opaque);
    95 release_session: fn(Opaque);
    96 release_value: fn(Opaque);
    98 release_type_info: fn(Opaque);
    99 release_tensor_type_and_shape_info: fn(Opaque);
    100 release_session_options: fn(Opaque);
    130 add_session_config_entry: fn(Opaque, *const c_char, *const c_char) -> Status;
}

impl Api {
    /// The functions of an open library, and its version.
    ///
    /// # Errors
    /// It is not ONNX Runtime, or an older one.
    pub fn open(library: Library) -> Result<(Api, String), String> {
        let entry = library.symbol(c"OrtGetApiBase")?;
        // SAFETY: in ONNX Runtime's library this symbol is a function without arguments that gives a constant struct of two
        // function pointers; the version is a constant text that ends with a zero.
        let (base, version) = unsafe {
            let entry: unsafe extern "C" fn() -> *const ApiBase = std::mem::transmute(entry);
            let base = entry();
            if base.is_null() {
                return Err("it gives no interface".into());
            }
            let version = ((*base).get_version_string)();
            if version.is_null() {
                return Err("it gives no version".into());
            }
            (&*base, CStr::from_ptr(version).to_string_lossy().into_owned())
        };
        // SAFETY: the base came from the library; a version that it does not have gives null, and otherwise the table.
        let api = unsafe {
            let table = (base.get_api)(API_VERSION);
            (!table.is_null()).then(|| Api::of(table)).flatten()
        };
        match api {
            Some(api) => Ok((api, version)),
            None => Err(format!("version {version} is too old; 1.{API_VERSION} or a later one is needed")),
        }
    }

    /// What `status` says; it is released.
    ///
    /// # Errors
    /// The message of the error that it is.
    pub fn check(&self, status: Status) -> Result<(), String> {
        if status.is_null() {
            return Ok(());
        }
        // SAFETY: a status that is not null is an error of this interface, whose message ends with a zero and lives as long as
        // the error; it is copied before that is released, once.
        let message = unsafe {
            let text = CStr::from_ptr((self.get_error_message)(status)).to_string_lossy().into_owned();
            (self.release_status)(status);
            text
        };
        Err(message)
    }

    /// The result of a call that writes it where its argument points.
    ///
    /// # Errors
    /// As [`Api::check`].
    pub fn made(&self, call: impl FnOnce(*mut Opaque) -> Status) -> Result<Opaque, String> {
        let mut made: Opaque = null_mut();
        self.check(call(&mut made))?;
        if made.is_null() { Err("a call gave nothing".into()) } else { Ok(made) }
    }
}

/// Types of elements, by their numbers in the interface.
pub const FLOAT: c_int = 1;

/// Bytes of an element; `None` for texts and types that are not known.
pub fn element_bytes(kind: c_int) -> Option<usize> {
    Some(match kind {
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        FLOAT | 6 | 12 => 4,
        7 | 11 | 13 => 8,
        _ => return None,
    })
}
