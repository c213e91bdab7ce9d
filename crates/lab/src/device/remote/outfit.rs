//! Finding a runner that works on a device and can use the runtime, among those on this computer.

use super::Link;
use super::kit::{self, Kit, LocalRunner, brings_c_library};
use super::launch::{Greeting, Refusal, greet, probe};
use super::machine::Machine;
use super::pushing::LocalFile;
use super::runners;
use crate::device::profile::Profile;
use crate::device::{DeviceError, runtimes};
use edgezen_core::foreign::ForeignText;
use edgezen_engine::runtimes::{by_name, library_path, library_path_for};
use edgezen_runner::Running;
use std::path::{Path, PathBuf};

/// What is to be measured with, and where its parts are.
pub struct Outfit<'a> {
    pub machine: &'a Machine,
    pub profile: &'a Profile,
    pub running: &'a Running,
    pub cores: &'a [u32],
    /// The folder on the device for the runner.
    pub dir: &'a str,
    /// The device in messages.
    pub device: String,
}

/// Why a runner on this computer is not used.
enum Unfit {
    /// It cannot be read here, does not run there, or is of another version.
    DoesNotWork(String),
    /// It works, and cannot use the runtime.
    NoRuntime(String),
    /// The device does not start programs in the way that this one needs.
    NotStarted(ForeignText),
}

impl Outfit<'_> {
    /// Puts the best runner that works onto the device.
    ///
    /// # Errors
    /// There is none on this computer, none of them works, or what the runtime needs is not here.
    pub fn put_on(&self, link: &mut dyn Link) -> Result<(Kit, Greeting), DeviceError> {
        let triples = runners::triples(self.machine, self.profile);
        let candidates = runners::find(self.machine, &triples).map_err(|places| DeviceError::NoRunner {
            device: self.device.clone(),
            triple: self.wanted_triple(&triples),
            places,
        })?;
        self.choose(link, candidates, &runtimes::folders())
    }

    /// The first of `candidates` that works; the library of the runtime is looked for in `folders`.
    fn choose(
        &self,
        link: &mut dyn Link,
        mut candidates: Vec<PathBuf>,
        folders: &[PathBuf],
    ) -> Result<(Kit, Greeting), DeviceError> {
        if self.needs_library() {
            // Those that were built to open it come first.
            candidates.sort_by_key(|path| !brings_c_library(path));
        }
        let mut failures = Vec::new();
        for path in candidates {
            match self.attempt(link, &path, folders)? {
                Ok(found) => return Ok(found),
                Err(unfit) => failures.push((path, unfit)),
            }
        }
        Err(self.failed(&failures))
    }

    fn needs_library(&self) -> bool {
        by_name(&self.running.runtime).is_some_and(|runtime| runtime.library().is_some())
    }

    /// The target to build a runner for, where there is none.
    fn wanted_triple(&self, triples: &[String]) -> String {
        let architecture = self.machine.architectures().first().copied().unwrap_or("aarch64");
        match triples.first() {
            Some(first) if !self.needs_library() => first.clone(),
            None if !self.needs_library() => "aarch64-linux-android".into(),
            _ => format!("{architecture}-unknown-linux-gnu"),
        }
    }

    /// Puts the runner at `path` onto the device and starts it.
    fn attempt(
        &self,
        link: &mut dyn Link,
        path: &Path,
        folders: &[PathBuf],
    ) -> Result<Result<(Kit, Greeting), Unfit>, DeviceError> {
        let unreadable = |error: std::io::Error| Ok(Err(Unfit::DoesNotWork(error.to_string())));
        let runner = match LocalRunner::read(path) {
            Ok(runner) => runner,
            Err(error) => return unreadable(error),
        };
        let libraries = match self.libraries(&runner, folders)? {
            Ok(libraries) => libraries,
            Err(error) => return unreadable(error),
        };
        let kit = runner.push(link, self.dir, &libraries, &self.running.runtime)?;
        if kit.loader.is_some()
            && let Err(complaint) = probe(link, &kit)?
        {
            return Ok(Err(Unfit::NotStarted(complaint)));
        }
        Ok(match greet(link, &kit, self.cores, &self.running.runtime)? {
            Ok(greeting) => Ok((kit, greeting)),
            Err(Refusal::DoesNotWork(reason)) => Err(Unfit::DoesNotWork(reason.to_string())),
            Err(Refusal::NoRuntime(reason)) => Err(Unfit::NoRuntime(reason.to_string())),
            Err(Refusal::Nonsense(reason)) => {
                return Err(DeviceError::Implausible { device: self.device.clone(), reason });
            }
        })
    }

    /// The files of the runtime's library for the processor of `runner`; none where the runtime is part of it. The inner error
    /// is that of a file that cannot be read.
    fn libraries(
        &self,
        runner: &LocalRunner,
        folders: &[PathBuf],
    ) -> Result<std::io::Result<Vec<LocalFile>>, DeviceError> {
        let Some(runtime) = by_name(&self.running.runtime) else { return Ok(Ok(Vec::new())) };
        let of_phone = || self.machine.architectures().first().copied();
        let architecture = runner.architecture().or_else(of_phone).unwrap_or("aarch64");
        let path = if architecture == std::env::consts::ARCH {
            library_path(runtime, folders)
        } else {
            library_path_for(runtime, architecture, folders)
        };
        let path = path.map_err(|error| DeviceError::NoLibrary {
            device: self.device.clone(),
            architecture: architecture.into(),
            error: Box::new(error),
            instead: self.instead(),
        })?;
        Ok(path.map_or_else(|| Ok(Vec::new()), |path| kit::library_files(&path)))
    }

    /// The name of the device with the runtime that needs nothing.
    fn instead(&self) -> String {
        format!("{}@tract", self.profile.id)
    }

    /// Why none of the runners is used.
    fn failed(&self, failures: &[(PathBuf, Unfit)]) -> DeviceError {
        let reasons = failures.iter().map(|(path, unfit)| {
            let path = path.display();
            match unfit {
                Unfit::DoesNotWork(reason) | Unfit::NoRuntime(reason) => format!("{path}: {reason}"),
                Unfit::NotStarted(complaint) => {
                    format!(
                        "{path}: its system does not start a program through the loader of glibc: {complaint}"
                    )
                }
            }
        });
        let reason = reasons.collect::<Vec<_>>().join("; ");
        let device = self.device.clone();
        let refused = failures.iter().any(|(_, unfit)| matches!(unfit, Unfit::NotStarted(_)));
        let none_runs = failures.iter().all(|(_, unfit)| matches!(unfit, Unfit::DoesNotWork(_)));
        if none_runs || !self.needs_library() {
            return DeviceError::Runner { device, reason };
        }
        let tract = format!("measure with tract: --device {}", self.instead());
        let build = self.wanted_triple(&[]);
        DeviceError::NoRuntime {
            device,
            runtime: self.running.runtime.clone(),
            reason,
            remedy: if refused {
                tract
            } else {
                format!("build a runner that can open libraries: scripts/build-runner {build}; or {tract}")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::LocalLink;
    use super::super::machine::tests::pixel2;
    use super::*;
    use crate::device::profile::Profiles;
    use edgezen_runner::protocol;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    /// This computer as a device, with programs of a shell in the place of runners and loaders.
    struct Desk {
        folder: TempDir,
        link: LocalLink,
    }

    /// Starts what it is given, as the loader of glibc does.
    const LOADER: &str = "[ $1 = --library-path ] && [ -f $2/libc.so.6 ] && shift 2 && exec \"$@\"";

    impl Desk {
        fn new() -> Desk {
            let folder = tempfile::tempdir().unwrap();
            let link = LocalLink::new(folder.path());
            Desk { folder, link }
        }

        fn program(&self, path: &str, text: &str) -> PathBuf {
            let path = self.folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            path
        }

        /// A runner whose greeting lists these runtimes; LiteRT only where it is given a library.
        fn runner(&self, path: &str, protocol: u32, litert: bool) -> PathBuf {
            let tract = r#"{"name":"tract","version":"0.23"}"#;
            let greeting = |runtimes: &str| {
                format!(
                    r#"{{"reply":"ready","protocol":{protocol},"runner_version":"1","runtimes":[{runtimes}],"target":"t","cores":[]}}"#
                )
            };
            let with = greeting(&format!(r#"{tract},{{"name":"litert","version":"2.3.0"}}"#));
            let without = greeting(&format!(
                r#"{tract},{{"name":"litert","missing":"Dynamic loading not supported"}}"#
            ));
            let with = if litert { &with } else { &without };
            let text = format!(
                "[ \"$1\" = --version ] && echo device-runner 1 && exit\n\
                 [ \"$1\" = --libraries ] && [ -f $2/libLiteRt.so ] && echo '{with}' || echo '{without}'"
            );
            self.program(path, &text)
        }

        /// The file of a runtime's library for a processor.
        fn library(&self, architecture: &str) {
            self.program(&format!("libraries/{architecture}/libLiteRt.so"), "no library");
            self.program(&format!("libraries/{architecture}/libLiteRt.so.version"), "");
        }

        fn loader(&self, runner: &str, text: &str) {
            self.program(&format!("{runner}/glibc/ld-linux-aarch64.so.1"), text);
            self.program(&format!("{runner}/glibc/libc.so.6"), "");
        }

        fn choose(&mut self, runtime: &str, runners: Vec<PathBuf>) -> Result<(Kit, Greeting), DeviceError> {
            let (machine, profile) = (pixel2(), Profiles::of_repository().by_name("pixel2").unwrap());
            let dir = self.folder.path().join("machine").display().to_string();
            let running = Running { runtime: runtime.into(), ..Running::tract() };
            let outfit = Outfit {
                machine: &machine,
                profile: &profile,
                running: &running,
                cores: &[4, 5],
                dir: &dir,
                device: "phone S".into(),
            };
            let folders = [self.folder.path().join("libraries")];
            outfit.choose(&mut self.link, runners, &folders)
        }
    }

    #[test]
    fn the_loader_starts_the_runner_with_the_library() {
        let mut desk = Desk::new();
        desk.library("aarch64");
        desk.loader("gnu", LOADER);
        let plain = desk.runner("musl/device-runner", protocol::VERSION, false);
        let with_loader = desk.runner("gnu/device-runner", protocol::VERSION, true);
        let (kit, greeting) = desk.choose("litert", vec![plain.clone(), with_loader.clone()]).unwrap();
        assert_eq!(greeting.runtime_version, "2.3.0");
        assert_eq!(kit.loader.as_ref().unwrap().0, "ld-linux-aarch64.so.1");
        // The one that was built for it was tried first, and the other one not at all.
        let greetings = desk.link.log.iter().filter(|command| command.contains("--jobs")).count();
        assert_eq!(greetings, 1);
        let greeted = desk.link.log.last().unwrap();
        assert!(greeted.contains("--library-path") && greeted.contains("--cores 4,5"), "{greeted}");
        // What needs no library takes the runners in their order.
        let (kit, _) = desk.choose("tract", vec![plain, with_loader]).unwrap();
        assert_eq!((kit.loader, kit.libraries), (None, None));
    }

    #[test]
    fn a_phone_that_does_not_start_the_loader_says_so() {
        let mut desk = Desk::new();
        desk.library("aarch64");
        desk.loader("gnu", "echo 'not executable: 64-bit ELF file' >&2; exit 126");
        let runner = desk.runner("gnu/device-runner", protocol::VERSION, true);
        match desk.choose("litert", vec![runner]) {
            Err(DeviceError::NoRuntime { device, runtime, reason, remedy }) => {
                assert_eq!((device.as_str(), runtime.as_str()), ("phone S", "litert"));
                assert!(reason.contains("loader of glibc") && reason.contains("not executable"), "{reason}");
                assert!(remedy.contains("--device pixel2@tract") && !remedy.contains("build"), "{remedy}");
            }
            other => panic!("{other:?}"),
        }
        let probes = desk.link.log.iter().filter(|command| command.contains("--version")).count();
        assert_eq!(probes, 1);
    }

    #[test]
    fn a_runner_that_cannot_open_libraries_says_what_to_build() {
        let mut desk = Desk::new();
        desk.library("aarch64");
        let runner = desk.runner("musl/device-runner", protocol::VERSION, false);
        match desk.choose("litert", vec![runner]) {
            Err(DeviceError::NoRuntime { reason, remedy, .. }) => {
                assert!(reason.contains("Dynamic loading not supported"), "{reason}");
                let build = "scripts/build-runner aarch64-unknown-linux-gnu";
                assert!(remedy.contains(build) && remedy.contains("pixel2@tract"), "{remedy}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_library_and_an_old_runner_are_named() {
        let mut desk = Desk::new();
        let runner = desk.runner("gnu/device-runner", protocol::VERSION, true);
        match desk.choose("litert", vec![runner]) {
            Err(DeviceError::NoLibrary { architecture, error, instead, .. }) => {
                assert_eq!((architecture.as_str(), instead.as_str()), ("aarch64", "pixel2@tract"));
                assert!(error.to_string().contains("libraries/aarch64"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        let old = desk.runner("old/device-runner", protocol::VERSION - 1, false);
        match desk.choose("tract", vec![old]) {
            Err(DeviceError::Runner { reason, .. }) => {
                assert!(reason.contains("another version of this program"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
