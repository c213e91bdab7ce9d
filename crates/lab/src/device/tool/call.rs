//! Calling a program: with arguments and no shell, within a limit of time, and with an end for all that it started.

use super::error::{Tail, ToolError};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What is kept of each stream, in bytes, counted from its end.
const MOST_KEPT: usize = 1 << 20;
/// How often it is looked whether the program has ended while it keeps its streams open. Rarely: it runs on the same core.
const LOOK: Duration = Duration::from_millis(50);
/// How long the rest of the output may take after the program has ended.
const REST: Duration = Duration::from_secs(1);

/// A call of a program.
#[derive(Clone, Debug)]
pub struct Call {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Variables besides those of this process.
    pub environment: BTreeMap<String, OsString>,
    /// Where it runs.
    pub folder: PathBuf,
    pub limit: Duration,
}

/// What a program printed, and how long it ran.
#[derive(Clone, Debug)]
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Said {
    /// Both streams, for messages.
    pub fn tail(&self) -> Tail {
        Tail::of(&format!("{}\n{}", self.stderr, self.stdout))
    }
}

/// The file of the program called `name`: one with a slash lies below the folder `here`, another one in a folder of `PATH`.
///
/// # Errors
/// [`ToolError::NotFound`].
pub fn program(name: &OsStr, here: &Path) -> Result<PathBuf, ToolError> {
    let path = Path::new(name);
    let absent = |looked_in: Option<PathBuf>| ToolError::NotFound {
        program: name.to_string_lossy().into_owned(),
        looked_in,
    };
    if path.components().count() != 1 || name.to_string_lossy().contains('/') {
        let path = here.join(path);
        let folder = || path.parent().map(Path::to_owned);
        return if path.is_file() { Ok(path) } else { Err(absent(folder())) };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // An entry that is not absolute means another folder in every folder.
    let mut places = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
    places
        .find_map(|folder| Some(folder.join(path)).filter(|path| is_program(path)))
        .ok_or_else(|| absent(None))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

impl Call {
    /// Runs the program on the cores of the calling thread, and waits for it.
    ///
    /// # Errors
    /// It cannot be started, fails, or does not end within its time.
    pub fn run(&self) -> Result<Said, ToolError> {
        let started = Instant::now();
        let mut child = self.start()?;
        let (sender, receiver) = channel();
        gather(Stream::Out, child.stdout.take(), sender.clone());
        gather(Stream::Err, child.stderr.take(), sender);
        let mut kept = Kept::default();
        let in_time = self.wait(&child, started, &receiver, &mut kept);
        let took = started.elapsed();
        // What it started ends with it, and with that go the last writers of its streams.
        end_group(&mut child);
        let program = self.program.clone();
        let io = |error| ToolError::Io { path: self.program.clone(), error };
        let status = child.wait().map_err(io)?;
        let until = Instant::now() + REST;
        while !kept.whole() && kept.take(&receiver, until.saturating_duration_since(Instant::now())).is_ok() {
        }
        let said = Said { stdout: text(kept.out), stderr: text(kept.err), took };
        match in_time.map_err(io)? {
            true if status.success() => Ok(said),
            true => Err(ToolError::Failed { program, status: status.to_string(), said: said.tail() }),
            false => Err(ToolError::Hangs { program, seconds: self.limit.as_secs(), said: said.tail() }),
        }
    }

    fn start(&self) -> Result<Child, ToolError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(&self.environment).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // A group of its own can be ended as a whole.
            command.process_group(0);
            // SAFETY: between fork and exec, only a system call with plain numbers is made.
            unsafe {
                command.pre_exec(|| {
                    edgezen_runner::process::end_with_parent();
                    Ok(())
                });
            }
        }
        command.spawn().map_err(|error| ToolError::Start { program: self.program.clone(), error })
    }

    /// Waits until the program has ended, or its time is up; whether it has ended.
    fn wait(
        &self,
        child: &Child,
        started: Instant,
        receiver: &Receiver<(Stream, Vec<u8>)>,
        kept: &mut Kept,
    ) -> std::io::Result<bool> {
        loop {
            // Both streams end with the program, so that it is not asked again and again whether it runs.
            let left = self.limit.saturating_sub(started.elapsed());
            match kept.whole() {
                true => thread::sleep(left.min(Duration::from_millis(1))),
                false => drop(kept.take(receiver, left.min(LOOK))),
            }
            if has_ended(child)? {
                return Ok(true);
            }
            if started.elapsed() >= self.limit {
                return Ok(false);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// What has come of the two streams.
#[derive(Default)]
struct Kept {
    out: Option<Vec<u8>>,
    err: Option<Vec<u8>>,
}

impl Kept {
    fn whole(&self) -> bool {
        self.out.is_some() && self.err.is_some()
    }

    /// Takes a stream that ends within the time `patience`.
    fn take(
        &mut self,
        receiver: &Receiver<(Stream, Vec<u8>)>,
        patience: Duration,
    ) -> Result<(), RecvTimeoutError> {
        let (stream, bytes) = receiver.recv_timeout(patience)?;
        match stream {
            Stream::Out => self.out = Some(bytes),
            Stream::Err => self.err = Some(bytes),
        }
        Ok(())
    }
}

fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// Reads a stream to its end in a thread of its own, and sends the last part of it.
fn gather(stream: Stream, source: Option<impl Read + Send + 'static>, sender: Sender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let (mut kept, mut piece) = (Vec::new(), [0; 8192]);
        if let Some(mut source) = source {
            loop {
                match source.read(&mut piece) {
                    Ok(0) => break,
                    Ok(read) => kept.extend_from_slice(&piece[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
                if kept.len() > 2 * MOST_KEPT {
                    kept.drain(..kept.len() - MOST_KEPT);
                }
            }
        }
        // Nobody listens any more where the call was given up.
        let _ = sender.send((stream, kept));
    });
}

/// Whether the program has ended. It keeps its number until somebody waits for it.
#[cfg(unix)]
fn has_ended(child: &Child) -> std::io::Result<bool> {
    // SAFETY: an all-zero `siginfo_t` is valid, and the kernel writes no more than one; all else are plain numbers. It stays zero
    // while the program runs.
    let (status, signal) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        (libc::waitid(libc::P_PID, child.id(), &raw mut info, how), info.si_signo)
    };
    if status == 0 { Ok(signal != 0) } else { Err(std::io::Error::last_os_error()) }
}

/// Ends the program, and everything that it started and that stayed in its group.
#[cfg(unix)]
fn end_group(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: takes plain numbers. The group was made for this program and has its number, which nobody else gets until the
        // program was waited for.
        unsafe {
            libc::kill(-group, libc::SIGKILL);
        }
    }
}

#[cfg(not(unix))]
fn has_ended(_: &Child) -> std::io::Result<bool> {
    Err(std::io::Error::other("tools are called on Unix only"))
}

#[cfg(not(unix))]
fn end_group(child: &mut Child) {
    let _ = child.kill();
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Call {
        Call {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into(), "sh".into(), "a b".into()],
            environment: BTreeMap::from([("MINE".to_owned(), "its value".into())]),
            folder: std::env::temp_dir(),
            limit,
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn both_streams_arguments_and_variables_come_through() {
        let said = shell("echo \"$1|$MINE\"; echo >&2 oh; cat", LONG).run().unwrap();
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("a b|its value\n", "oh\n"));
        // More than a pipe holds, on both streams at once; the end is kept.
        let much = "i=0; while [ $i -lt 40000 ]; do echo $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; \
            echo $i >&2; i=$((i+1)); done";
        let said = shell(much, LONG).run().unwrap();
        assert!(said.stdout.len() <= 2 * MOST_KEPT && said.stdout.trim_end().contains("39999 x"));
        assert!(said.stderr.ends_with("39999\n"));
    }

    #[test]
    fn failures_say_what_was_printed() {
        let failed = shell("echo nearly; echo >&2 'no \u{1b}[2Jmodel'; exit 3", LONG).run().unwrap_err();
        let text = failed.to_string();
        assert!(matches!(failed, ToolError::Failed { .. }), "{text}");
        for word in ["/bin/sh", "3", "nearly", "model"] {
            assert!(text.contains(word), "{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(shell("kill -9 $$", LONG).run().unwrap_err().to_string().contains("signal"));
        let absent = Call { program: "/nowhere/tool".into(), ..shell("", LONG) };
        assert!(matches!(absent.run(), Err(ToolError::Start { .. })));
    }

    #[test]
    fn what_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let script = format!("sleep 1000 & echo $! $$ > {}; echo begun; wait", pids.display());
        let error = shell(&script, Duration::from_millis(500)).run().unwrap_err();
        assert!(matches!(&error, ToolError::Hangs { .. }), "{error}");
        assert!(error.to_string().contains("begun"), "{error}");
        let gone = |pid: &str| {
            // Ended and perhaps not collected yet: such a process has no memory.
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            status.is_err() || status.is_ok_and(|text| text.contains("State:\tZ"))
        };
        let pids = std::fs::read_to_string(pids).unwrap();
        assert_eq!(pids.split_whitespace().count(), 2, "{pids}");
        for pid in pids.split_whitespace() {
            assert!(
                (0..100).any(|_| gone(pid) || {
                    thread::sleep(Duration::from_millis(20));
                    false
                }),
                "{pid}"
            );
        }
    }

    #[test]
    fn what_is_left_behind_ends_with_the_program() {
        // The child keeps the streams open; nobody waits for it.
        let said = shell("echo done; sleep 1000 &", LONG).run().unwrap();
        assert!(said.stdout == "done\n" && said.took < LONG / 2, "{said:?}");
    }

    #[test]
    fn programs_are_found_in_path_or_beside_the_description() {
        let here = tempfile::tempdir().unwrap();
        assert!(program(OsStr::new("sh"), here.path()).unwrap().is_absolute());
        let absent = program(OsStr::new("no-such-program-at-all"), here.path()).unwrap_err().to_string();
        assert!(absent.contains("no-such-program-at-all in PATH"), "{absent}");
        std::fs::write(here.path().join("mine"), "").unwrap();
        assert_eq!(program(OsStr::new("./mine"), here.path()).unwrap(), here.path().join("./mine"));
        let absent = program(OsStr::new("./other"), here.path()).unwrap_err().to_string();
        assert!(absent.contains(&here.path().display().to_string()), "{absent}");
    }
}
