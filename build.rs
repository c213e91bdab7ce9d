//! Lists the data files that are compiled into the program, so that a new device profile or predictor
//! is one file and no line of code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folder, extension of its data files, name of the constant in `src/embedded.rs`.
const FOLDERS: [(&str, &str, &str); 2] =
    [("device-profiles", "toml", "DEVICE_PROFILES"), ("predictors", "json", "PREDICTORS")];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut code = String::new();
    for (folder, extension, constant) in FOLDERS {
        println!("cargo:rerun-if-changed={folder}");
        let _ = writeln!(code, "pub const {constant}: &[(&str, &str)] = &[");
        for file in files(&root.join(folder), extension)? {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let _ = writeln!(code, "    ({name:?}, include_str!({:?})),", file.display().to_string());
        }
        code.push_str("];\n");
    }
    println!("cargo:rerun-if-changed=build.rs");
    fs::write(out.join("embedded.rs"), code)
}

/// The files of `folder` with this extension, sorted by name; none where the folder is absent.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
