//! The functions of LiteRT's C interface that are used here (`litert/c/*.h`). The library exports them by name.

use crate::library::Library;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

/// What the interface does not show the inside of.
pub type Opaque = *mut c_void;
/// 0, or the number of an error.
type Status = c_int;

/// Bits for kinds of processors.
pub const CPU: c_int = 1;
/// Types of elements.
pub const FLOAT: c_int = 1;
pub const INT8: c_int = 9;

/// A setting of an environment (`LiteRtEnvOption`).
#[repr(C)]
pub struct EnvironmentOption {
    tag: c_int,
    value: WholeNumber,
}

/// A value that is a whole number (`LiteRtAny`).
#[repr(C)]
struct WholeNumber {
    /// 2: it is a whole number.
    kind: c_int,
    number: i64,
}

impl EnvironmentOption {
    fn new(tag: c_int, number: i64) -> EnvironmentOption {
        EnvironmentOption { tag, value: WholeNumber { kind: 2, number } }
    }

    /// Only these kinds of processors are looked for.
    pub fn processors(bits: c_int) -> EnvironmentOption {
        EnvironmentOption::new(24, i64::from(bits))
    }

    /// Nothing less severe is logged: 3 is an error.
    pub fn least_severity(severity: i64) -> EnvironmentOption {
        EnvironmentOption::new(25, severity)
    }
}

/// Type and sizes of a tensor (`LiteRtRankedTensorType`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TensorType {
    pub element: c_int,
    /// Number of sizes in the low seven bits; then whether there are strides.
    rank_and_strides: u32,
    dims: [i32; 8],
    strides: [u32; 8],
}

impl TensorType {
    /// The sizes; an open one is negative.
    pub fn dims(&self) -> &[i32] {
        let rank = (self.rank_and_strides & 0x7f) as usize;
        &self.dims[..rank.min(self.dims.len())]
    }
}

/// Bytes of an element; `None` for types that are not whole bytes or not known.
pub fn element_bytes(kind: c_int) -> Option<usize> {
    Some(match kind {
        3 | 6 | 9 => 1,
        7 | 10 | 17 | 19 => 2,
        FLOAT | 2 | 16 => 4,
        4 | 11 | 13 => 8,
        _ => return None,
    })
}

/// How a tensor's memory is locked.
pub const READ: c_int = 0;
pub const WRITE: c_int = 1;

macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// Functions by name.
        #[derive(Clone, Copy)]
        pub struct Api {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Api {
            /// The functions of an open library.
            ///
            /// # Errors
            /// The name of the first one that it lacks.
            pub fn open(library: Library) -> Result<Api, String> {
                Ok(Api { $($name: {
                    let address = library.symbol($symbol)?;
                    // SAFETY: in LiteRT 2 the symbol is a function of this type, as its headers say.
                    unsafe {
                        std::mem::transmute::<*const c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(address)
                    }
                },)* })
            }
        }
    };
}

functions! {
    create_environment = c"LiteRtCreateEnvironment": fn(c_int, *const EnvironmentOption, *mut Opaque) -> Status;
    destroy_environment = c"LiteRtDestroyEnvironment": fn(Opaque);
    create_model_from_buffer = c"LiteRtCreateModelFromBuffer": fn(Opaque, *const c_void, usize, *mut Opaque) -> Status;
    destroy_model = c"LiteRtDestroyModel": fn(Opaque);
    create_options = c"LiteRtCreateOptions": fn(*mut Opaque) -> Status;
    destroy_options = c"LiteRtDestroyOptions": fn(Opaque);
    set_hardware_accelerators = c"LiteRtSetOptionsHardwareAccelerators": fn(Opaque, c_int) -> Status;
    create_opaque_options = c"LiteRtCreateOpaqueOptions":
        fn(*const c_char, *mut c_void, unsafe extern "C" fn(*mut c_void), *mut Opaque) -> Status;
    add_opaque_options = c"LiteRtAddOpaqueOptions": fn(Opaque, Opaque) -> Status;
    create_compiled_model = c"LiteRtCreateCompiledModel": fn(Opaque, Opaque, Opaque, *mut Opaque) -> Status;
    destroy_compiled_model = c"LiteRtDestroyCompiledModel": fn(Opaque);
    get_signature = c"LiteRtGetModelSignature": fn(Opaque, usize, *mut Opaque) -> Status;
    get_num_inputs = c"LiteRtGetNumSignatureInputs": fn(Opaque, *mut usize) -> Status;
    get_num_outputs = c"LiteRtGetNumSignatureOutputs": fn(Opaque, *mut usize) -> Status;
    get_input = c"LiteRtGetSignatureInputTensorByIndex": fn(Opaque, usize, *mut Opaque) -> Status;
    get_output = c"LiteRtGetSignatureOutputTensorByIndex": fn(Opaque, usize, *mut Opaque) -> Status;
    get_tensor_type = c"LiteRtGetRankedTensorType": fn(Opaque, *mut TensorType) -> Status;
    get_input_requirements = c"LiteRtGetCompiledModelInputBufferRequirements":
        fn(Opaque, usize, usize, *mut Opaque) -> Status;
    get_output_requirements = c"LiteRtGetCompiledModelOutputBufferRequirements":
        fn(Opaque, usize, usize, *mut Opaque) -> Status;
    create_tensor_buffer = c"LiteRtCreateManagedTensorBufferFromRequirements":
        fn(Opaque, *const TensorType, Opaque, *mut Opaque) -> Status;
    destroy_tensor_buffer = c"LiteRtDestroyTensorBuffer": fn(Opaque);
    get_packed_size = c"LiteRtGetTensorBufferPackedSize": fn(Opaque, *mut usize) -> Status;
    lock_tensor_buffer = c"LiteRtLockTensorBuffer": fn(Opaque, *mut *mut c_void, c_int) -> Status;
    unlock_tensor_buffer = c"LiteRtUnlockTensorBuffer": fn(Opaque) -> Status;
    run = c"LiteRtRunCompiledModel": fn(Opaque, usize, usize, *mut Opaque, usize, *mut Opaque) -> Status;
}

impl Api {
    /// # Errors
    /// The number of the error, with what was called.
    pub fn check(&self, what: &str, status: Status) -> Result<(), String> {
        if status == 0 {
            Ok(())
        } else {
            Err(format!("{what} failed with status {status}{}", meaning(status)))
        }
    }

    /// The result of a call that writes it where its argument points.
    ///
    /// # Errors
    /// As [`Api::check`].
    pub fn made(&self, what: &str, call: impl FnOnce(*mut Opaque) -> Status) -> Result<Opaque, String> {
        let mut made: Opaque = null_mut();
        self.check(what, call(&mut made))?;
        if made.is_null() { Err(format!("{what} gave nothing")) } else { Ok(made) }
    }

    /// Adds settings that LiteRT knows by name, as text in the form of TOML.
    ///
    /// # Errors
    /// As [`Api::check`].
    ///
    /// # Safety
    /// `options` are options that were made by this interface and live.
    pub unsafe fn add_settings(&self, options: Opaque, name: &CStr, toml: &CStr) -> Result<(), String> {
        // SAFETY: LiteRT gets a copy of the text, made by `strdup`, and gives it back to `free`, its counterpart; the copy is
        // released here where LiteRT refuses it. The name ends with a zero and is copied.
        unsafe {
            let text = libc::strdup(toml.as_ptr());
            if text.is_null() {
                return Err("there is no memory for the settings".into());
            }
            let made = self.made("LiteRtCreateOpaqueOptions", |made| {
                (self.create_opaque_options)(name.as_ptr(), text.cast(), libc::free, made)
            });
            if made.is_err() {
                libc::free(text.cast());
            }
            self.check("LiteRtAddOpaqueOptions", (self.add_opaque_options)(options, made?))
        }
    }
}

/// What the usual errors mean (`litert_common.h`).
fn meaning(status: Status) -> &'static str {
    match status {
        1 => " (invalid argument)",
        2 => " (memory ran out)",
        3 => " (it failed at run time)",
        5 => " (not supported)",
        6 => " (not found)",
        500 => " (the file cannot be read)",
        501 => " (not a TensorFlow Lite file, or a damaged one)",
        1000..=1999 => " (an operation cannot be run)",
        _ => "",
    }
}
