//! A process of `ssh`: what it is given, what it prints, and how long it may take.

use crate::device::remote::{Bounded, is_too_much};
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a process printed, and how it ended.
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub status: ExitStatus,
}

/// Why there is no output.
#[derive(Debug)]
pub enum Failure {
    /// It could not be started.
    Start(io::Error),
    /// It did not end in time, and was ended.
    TooLong,
    /// It printed more than anything that this program asks for.
    TooMuch,
    Io(io::Error),
}

/// Runs `command`, which reads `input`, and ends it after `limit`.
pub fn run(command: &mut Command, input: Vec<u8>, limit: Duration) -> Result<Output, Failure> {
    let end = Instant::now() + limit;
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(Failure::Start)?;
    if let Some(mut stdin) = child.stdin.take() {
        std::thread::spawn(move || {
            // A process that reads no further says why.
            let _ = stdin.write_all(&input);
        });
    }
    let (stdout, stderr) = (child.stdout.take().map(read), child.stderr.take().map(read));
    let collected = collect(stdout, end).and_then(|stdout| Ok((stdout, collect(stderr, end)?)));
    let (stdout, stderr) = match collected {
        Ok(both) => both,
        Err(failure) => {
            stop(&mut child);
            return Err(failure);
        }
    };
    match wait(&mut child, end) {
        Some(status) => Ok(Output { stdout, stderr, status: status.map_err(Failure::Io)? }),
        None => {
            stop(&mut child);
            Err(Failure::TooLong)
        }
    }
}

/// Waits until `child` has ended; `None` where it has not at the moment `end`.
pub fn wait(child: &mut Child, end: Instant) -> Option<io::Result<ExitStatus>> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Ok(status)),
            Ok(None) if Instant::now() >= end => return None,
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Ends `child`.
pub fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

type Reading = mpsc::Receiver<io::Result<Vec<u8>>>;

/// Reads everything in a thread of its own.
fn read(mut source: impl Read + Send + 'static) -> Reading {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut all = Bounded::default();
        let read = io::copy(&mut source, &mut all).map(|_| all.bytes);
        // After the time limit nobody receives it any more.
        let _ = send.send(read);
    });
    receive
}

fn collect(reading: Option<Reading>, end: Instant) -> Result<Vec<u8>, Failure> {
    let Some(reading) = reading else { return Ok(Vec::new()) };
    match reading.recv_timeout(end.saturating_duration_since(Instant::now())) {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_much(&error) => Err(Failure::TooMuch),
        Ok(Err(error)) => Err(Failure::Io(error)),
        Err(_) => Err(Failure::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, input: &[u8], limit: Duration) -> Result<Output, Failure> {
        run(Command::new("sh").args(["-c", script]), input.to_vec(), limit)
    }

    #[test]
    fn both_streams_and_the_input_pass() {
        let long = vec![b'x'; 1 << 20];
        let output = sh("cat; echo oh >&2; exit 3", &long, Duration::from_secs(60)).unwrap();
        assert_eq!((output.stdout.len(), output.stderr.as_slice()), (1 << 20, &b"oh\n"[..]));
        assert_eq!(output.status.code(), Some(3));
        // Who does not read the input is not waited for.
        assert!(sh("exit 0", &long, Duration::from_secs(60)).unwrap().status.success());
    }

    #[test]
    fn what_does_not_end_is_ended() {
        assert!(matches!(sh("exec sleep 600", b"", Duration::from_millis(50)), Err(Failure::TooLong)));
        assert!(matches!(sh("exec yes", b"", Duration::from_secs(60)), Err(Failure::TooMuch)));
        let none = run(&mut Command::new("/no/such/ssh"), Vec::new(), Duration::from_secs(1));
        assert!(matches!(none, Err(Failure::Start(_))));
    }
}
