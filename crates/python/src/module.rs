//! The module as Python sees it: its functions with their arguments, and the symbol by which it is found.

use crate::calling::{self, Functions};
use crate::pricing::{self, Asked, Input};
use edgezen::cli::in_process;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyCapsule, PyTuple};
use pyo3::{ffi, types::PyModule};
use std::cell::UnsafeCell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::ptr::null_mut;

/// What Python keeps of the module's definition, and writes to.
struct Definition(UnsafeCell<ffi::PyModuleDef>);

// SAFETY: Python alone writes to it, under its lock.
unsafe impl Sync for Definition {}

static DEFINITION: Definition = Definition(UnsafeCell::new(ffi::PyModuleDef {
    m_base: ffi::PyModuleDef_HEAD_INIT,
    m_name: c"_edgezen".as_ptr(),
    m_doc: c"edgezen in this process; the package edgezen is what calls it.".as_ptr(),
    m_size: -1,
    m_methods: null_mut(),
    m_slots: null_mut(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
}));

/// What Python calls when it loads the module.
///
/// # Safety
/// Only Python calls it, with its interpreter attached.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn PyInit__edgezen() -> *mut ffi::PyObject {
    Python::attach(|py| {
        // SAFETY: the definition is static, and the result a new reference or null.
        let created = unsafe {
            let module = ffi::PyModule_Create2(DEFINITION.0.get(), ffi::PYTHON_ABI_VERSION);
            Bound::from_owned_ptr_or_err(py, module)
        };
        let module = created.and_then(|module| {
            let module = module.cast_into::<PyModule>()?;
            fill(&module)?;
            Ok(module)
        });
        match module {
            Ok(module) => module.into_ptr(),
            Err(error) => {
                error.restore(py);
                null_mut()
            }
        }
    })
}

/// Adds the constants and the functions. Their arguments are described in `python/edgezen/_edgezen.pyi`.
fn fill(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("version", env!("CARGO_PKG_VERSION"))?;
    module.add("closed_forms", pricing::closed_forms())?;
    module.add_function(PyCFunction::new_closure(
        py,
        Some(c"call"),
        Some(c"call(words, callback, proxy, predictors): a command by its words, in this process"),
        |arguments: &Bound<'_, PyTuple>, _| {
            type Given<'py> = (Vec<String>, Option<Bound<'py, PyAny>>, Option<Named<'py>>, Vec<Named<'py>>);
            type Named<'py> = (String, Bound<'py, PyAny>);
            let (words, callback, proxy, predictors): Given<'_> = arguments.extract()?;
            calling::call(arguments.py(), words, Functions { callback, proxy, predictors })
        },
    )?)?;
    module.add_function(PyCFunction::new_closure(
        py,
        Some(c"main"),
        Some(c"main(line, program, words): the command line"),
        |arguments: &Bound<'_, PyTuple>, _| {
            let (line, program, words): (Vec<OsString>, Option<PathBuf>, Vec<OsString>) =
                arguments.extract()?;
            Ok::<u8, PyErr>(calling::main(arguments.py(), line, program, words))
        },
    )?)?;
    module.add_function(PyCFunction::new_closure(
        py,
        Some(c"in_arguments"),
        Some(c"in_arguments(words, text): a text with the options of a command as arguments of Python"),
        |arguments: &Bound<'_, PyTuple>, _| {
            let (words, text): (Vec<String>, String) = arguments.extract()?;
            Ok::<String, PyErr>(in_process::in_arguments(&words, &text))
        },
    )?)?;
    module.add_function(PyCFunction::new_closure(
        py,
        Some(c"load"),
        Some(c"load(device, predictor, batch): a predictor for predict_many"),
        |arguments: &Bound<'_, PyTuple>, _| {
            let (device, predictor, batch) = arguments.extract()?;
            pricing::load(arguments.py(), Asked { device, predictor, batch })
        },
    )?)?;
    module.add_function(PyCFunction::new_closure(
        py,
        Some(c"predict_many"),
        Some(c"predict_many(predictor, nets, resolution, classes, se, partial): latencies as arrays"),
        |arguments: &Bound<'_, PyTuple>, _| {
            type Given<'py> = (Bound<'py, PyCapsule>, Vec<String>, Option<String>, Option<u32>, bool, bool);
            let (predictor, nets, resolution, classes, se, partial): Given<'_> = arguments.extract()?;
            let input = Input { resolution, classes, se };
            pricing::latencies(arguments.py(), &predictor, nets, input, partial).map(Bound::unbind)
        },
    )?)?;
    module.add_function(PyCFunction::new_closure(
        py,
        Some(c"score_many"),
        Some(c"score_many(nets, proxy, mode, seed, resolution, classes, se): scores in closed form as an array"),
        |arguments: &Bound<'_, PyTuple>, _| {
            type Given = (Vec<String>, String, String, u64, Option<String>, Option<u32>, bool);
            let (nets, proxy, mode, seed, resolution, classes, se): Given = arguments.extract()?;
            let input = Input { resolution, classes, se };
            pricing::scores(arguments.py(), nets, &proxy, &mode, seed, input).map(Bound::unbind)
        },
    )?)?;
    module.add_function(PyCFunction::new_closure(
        py,
        Some(c"sample"),
        Some(c"sample(space, count, seed): structures of a search space"),
        |arguments: &Bound<'_, PyTuple>, _| {
            let (space, count, seed): (String, usize, u64) = arguments.extract()?;
            pricing::sample(arguments.py(), &space, count, seed)
        },
    )?)?;
    Ok(())
}
