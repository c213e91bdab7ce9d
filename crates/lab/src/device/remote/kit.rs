//! What measures on a device: a runner, the C library that it brings along where the device has none for it, and the library of
//! a runtime that is not part of it.
//!
//! Android has a C library of its own, and those of ONNX Runtime and LiteRT for boards are made for glibc. A runner that is
//! built for glibc therefore has glibc's files in the folder [`C_LIBRARY`] beside it. They go to the device with it, and their
//! loader starts it: `ld-linux-aarch64.so.1 --library-path FOLDER device-runner …`.

use super::pushing::{Folder, LocalFile, push_file, push_folder};
use super::runners::PROGRAM;
use super::{Link, LinkError};
use edgezen_core::foreign::shell_word;
use edgezen_engine::library::version_file;
use std::path::Path;

/// The folder beside a runner that holds the files of its C library.
pub const C_LIBRARY: &str = "glibc";

/// A runner on this computer, with the files beside it.
pub struct LocalRunner {
    program: LocalFile,
    c_library: Vec<LocalFile>,
}

impl LocalRunner {
    /// Reads the runner at `path`, and the files of its C library, if it has one.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn read(path: &Path) -> std::io::Result<LocalRunner> {
        let beside = path.parent().unwrap_or(Path::new("")).join(C_LIBRARY);
        let c_library = LocalFile::all_in(&beside)?;
        Ok(LocalRunner { program: LocalFile::read(path)?, c_library })
    }

    /// The kind of processor that it runs on, as Rust calls it; `None` where its file does not say.
    pub fn architecture(&self) -> Option<&'static str> {
        architecture(&self.program.bytes)
    }

    /// The loader among the files of its C library.
    fn loader(&self) -> Option<&LocalFile> {
        self.c_library.iter().find(|file| file.name.starts_with("ld-"))
    }

    /// Copies it, and what it needs, into the folder `dir` of the device, unless it is there already.
    ///
    /// # Errors
    /// The link's.
    pub fn push(
        &self,
        link: &mut dyn Link,
        dir: &str,
        libraries: &[LocalFile],
        runtime: &str,
    ) -> Result<Kit, LinkError> {
        let runner = format!("{dir}/{PROGRAM}-{}", &self.program.sha256[..12]);
        push_file(link, &self.program, &runner)?;
        let loader = match self.loader() {
            Some(loader) => Some((loader.name.clone(), push_folder(link, &self.c_library, dir, C_LIBRARY)?)),
            None => None,
        };
        let libraries = match libraries {
            [] => None,
            files => Some(push_folder(link, files, dir, runtime)?),
        };
        Ok(Kit { runner, sha256: self.program.sha256.clone(), loader, libraries })
    }
}

/// Whether the runner at `path` brings its C library along.
pub fn brings_c_library(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.join(C_LIBRARY).is_dir())
}

/// The library of a runtime at `path`, and the file beside it that tells its version, if there is one.
///
/// # Errors
/// A file that cannot be read.
pub fn library_files(path: &Path) -> std::io::Result<Vec<LocalFile>> {
    let version = version_file(path);
    let paths = std::iter::once(path.to_owned()).chain(version.is_file().then_some(version));
    paths.map(|path| LocalFile::read(&path)).collect()
}

/// Runner, C library and library of a runtime on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kit {
    /// Path of the runner on the device.
    pub runner: String,
    /// Checksum of the runner.
    pub sha256: String,
    /// Name of the loader, and the folder that holds it with the C library. `None`: the device's own loader starts the runner.
    pub loader: Option<(String, Folder)>,
    /// The folder with the library of the runtime. `None`: the runtime is part of the runner.
    pub libraries: Option<Folder>,
}

impl Kit {
    /// The words of a shell that start the runner. Options may follow.
    pub fn command(&self) -> String {
        let loader = self.loader.as_ref().map_or(String::new(), |(loader, Folder { path, .. })| {
            format!("{} --library-path {} ", shell_word(&format!("{path}/{loader}")), shell_word(path))
        });
        format!("{loader}{}", shell_word(&self.runner))
    }

    /// The options that every start of the runner to measure has.
    pub fn options(&self) -> String {
        let folder = |Folder { path, .. }: &Folder| format!(" --libraries {}", shell_word(path));
        self.libraries.as_ref().map_or(String::new(), folder)
    }
}

/// The architecture in the header of an ELF file (its `e_machine`), as Rust calls it.
fn architecture(program: &[u8]) -> Option<&'static str> {
    if !program.starts_with(b"\x7fELF") {
        return None;
    }
    // Only little-endian programs run on devices.
    let machine = u16::from_le_bytes(program.get(18..20)?.try_into().ok()?);
    match machine {
        40 => Some("armv7"),
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_tell_their_architecture() {
        let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0".to_vec();
        assert_eq!(architecture(&program), None);
        program.extend(183_u16.to_le_bytes());
        assert_eq!(architecture(&program), Some("aarch64"));
        assert_eq!(architecture(b"#!/bin/sh\necho a long script"), None);
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            let this = std::fs::read("/proc/self/exe").unwrap();
            assert_eq!(architecture(&this), Some("x86_64"));
        }
    }

    #[test]
    fn commands_name_the_loader_and_the_libraries() {
        let folder = |path: &str| Folder { path: path.into(), sha256: "0".into() };
        let mut kit = Kit { runner: "/d/runner".into(), sha256: "1".into(), loader: None, libraries: None };
        assert_eq!((kit.command().as_str(), kit.options().as_str()), ("'/d/runner'", ""));
        kit.loader = Some(("ld.so".into(), folder("/d/glibc")));
        kit.libraries = Some(folder("/d/litert"));
        assert_eq!(kit.command(), "'/d/glibc/ld.so' --library-path '/d/glibc' '/d/runner'");
        assert_eq!(kit.options(), " --libraries '/d/litert'");
    }
}
