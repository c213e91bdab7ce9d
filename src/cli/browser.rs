//! Opening a page in the browser of the person at the computer.

use super::Failure;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program that opens a file does so in the background, or says within this time that it cannot.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Opens the page: with the program that the variable BROWSER names, else with the system's.
///
/// # Errors
/// No program takes it. The page is there all the same.
pub fn open(page: &Path) -> Result<(), Failure> {
    let page = std::path::absolute(page).map_err(|error| Failure::io(page, &error))?;
    let own = std::env::var("BROWSER").ok().filter(|name| !name.trim().is_empty());
    let names = own.iter().flat_map(|names| names.split(':')).chain(system().iter().copied());
    let mut said = Vec::new();
    for name in names {
        match starts(name, &page) {
            Ok(()) => return Ok(()),
            Err(reason) => said.push(format!("{name}: {reason}")),
        }
    }
    Err(Failure::runtime(format!("no program opens {} ({})", page.display(), said.join("; ")))
        .remedy("open the page in a browser yourself; the variable BROWSER can name one"))
}

/// The programs that open a file as its kind demands.
fn system() -> &'static [&'static str] {
    if cfg!(target_os = "macos") {
        &["open"]
    } else if cfg!(windows) {
        &["explorer"]
    } else {
        &["xdg-open"]
    }
}

/// Starts a program with the page, and sees whether it fails at once.
fn starts(name: &str, page: &Path) -> Result<(), String> {
    let mut words = name.split_whitespace();
    let program = words.next().ok_or("it has no name")?;
    let mut child = Command::new(program)
        .args(words)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    while started.elapsed() < AT_ONCE {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(status.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
