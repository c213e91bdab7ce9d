//! Keeping a thread on a core of a device that switches cores on and off.

use super::conditions::{PinError, affinity, ask_for};
use std::time::Duration;

/// Attempts at pinning to cores of a device that switches cores on and off.
const ATTEMPTS: u32 = 5;
/// The pause between them.
const PAUSE: Duration = Duration::from_millis(40);

/// The cores that a process keeps to.
#[derive(Clone, Debug, Default)]
pub struct Cores {
    /// Those that the system granted of the ones that were asked for. `None`: none were.
    granted: Option<Vec<u32>>,
}

impl Cores {
    /// Lets the calling thread run on those of `cores` that the system grants: at least one, and none that was not asked for.
    ///
    /// Phones switch cores off and isolate them, and the kernels of some leave such cores out of what they say of a thread.
    ///
    /// # Errors
    /// Cores that do not exist or are not allowed; a system that grants others, also after some attempts.
    pub fn within(cores: &[u32]) -> Result<Cores, PinError> {
        let granted = granted(cores, &SYSTEM, &|| std::thread::sleep(PAUSE))?;
        Ok(Cores { granted: Some(granted) })
    }

    /// Places the calling thread to run something that has so many `threads`, and gives the cores for them. A single thread
    /// stays on the last core that the system grants, and needs no list; without a list of cores, it stays where it is.
    ///
    /// # Errors
    /// Fewer cores than threads, where the system says how many there are; a system that grants others.
    pub fn place(&self, threads: u32) -> Result<Vec<u32>, PinError> {
        let cores = match &self.granted {
            Some(granted) => granted.clone(),
            None => match affinity() {
                Ok(cores) => cores,
                // Its threads are where the system puts them.
                Err(_) => return Ok(Vec::new()),
            },
        };
        if cores.len() < threads as usize {
            return Err(PinError::Few { threads, cores });
        }
        if threads > 1 {
            ask_for(&cores)?;
            return Ok(cores);
        }
        if self.granted.is_some() {
            one_of(&cores, &SYSTEM)?;
        }
        Ok(Vec::new())
    }
}

/// How a thread is placed, and where it is then.
struct System<'a> {
    set: &'a dyn Fn(&[u32]) -> Result<(), PinError>,
    get: &'a dyn Fn() -> Result<Vec<u32>, PinError>,
}

const SYSTEM: System<'static> = System { set: &ask_for, get: &affinity };

impl System<'_> {
    fn within(&self, cores: &[u32]) -> Result<Vec<u32>, PinError> {
        (self.set)(cores)?;
        let got = (self.get)()?;
        let fits = !got.is_empty() && got.iter().all(|core| cores.contains(core));
        if fits { Ok(got) } else { Err(PinError::Ignored { asked: cores.to_vec(), got }) }
    }
}

/// Those of `cores` that the system grants.
fn granted(cores: &[u32], system: &System<'_>, pause: &dyn Fn()) -> Result<Vec<u32>, PinError> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match system.within(cores) {
            Ok(granted) => return Ok(granted),
            Err(error) if left == 0 => return Err(error),
            Err(_) => pause(),
        }
    }
}

/// Keeps to the last one of `cores` that the system grants; where it grants no single one, to those of them that it grants.
fn one_of(cores: &[u32], system: &System<'_>) -> Result<Vec<u32>, PinError> {
    for &core in cores.iter().rev() {
        if (system.set)(&[core]).is_ok() && (system.get)()? == [core] {
            return Ok(vec![core]);
        }
    }
    system.within(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that says of a thread only the cores in `shown`, and refuses masks without any of them.
    fn pinned(asked: &[u32], shown: &[u32], single: bool) -> Result<Vec<u32>, PinError> {
        let mask = std::cell::RefCell::new(Vec::new());
        let set = |cores: &[u32]| {
            let refused = !cores.iter().any(|core| shown.contains(core)) || (cores.len() == 1 && !single);
            if refused {
                let error = std::io::Error::from_raw_os_error(libc::EINVAL);
                return Err(PinError::Refused { cores: cores.to_vec(), error });
            }
            *mask.borrow_mut() = cores.to_vec();
            Ok(())
        };
        let get = || Ok(mask.borrow().iter().copied().filter(|core| shown.contains(core)).collect());
        let system = System { set: &set, get: &get };
        one_of(&granted(asked, &system, &|| ())?, &system)
    }

    #[test]
    fn a_part_of_the_cores_is_enough() {
        assert_eq!(pinned(&[4, 5, 6, 7], &[0, 1, 2, 3, 4, 5, 6, 7], true).unwrap(), [7]);
        // Core 7 is isolated.
        assert_eq!(pinned(&[4, 5, 6, 7], &[0, 1, 2, 3, 4, 5, 6], true).unwrap(), [6]);
        assert_eq!(pinned(&[4, 5, 6, 7], &[0, 4, 6], false).unwrap(), [4, 6]);
        assert!(matches!(pinned(&[4, 5], &[0, 1], true), Err(PinError::Refused { .. })));
    }

    #[test]
    fn cores_that_come_back_are_waited_for() {
        let (tries, pauses) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let get = || {
            tries.set(tries.get() + 1);
            Ok(if tries.get() < 3 { vec![] } else { vec![7] })
        };
        let pause = || pauses.set(pauses.get() + 1);
        let willing = System { set: &|_| Ok(()), get: &get };
        assert_eq!(granted(&[6, 7], &willing, &pause).unwrap(), [7]);
        assert_eq!(pauses.get(), 2);
        // A system that does not do what it is told is not believed.
        let other = System { set: &|_| Ok(()), get: &|| Ok(vec![0, 6]) };
        let other = granted(&[6, 7], &other, &|| ());
        assert!(matches!(other, Err(PinError::Ignored { .. })));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_single_thread_takes_the_last_core() {
        // In a thread of its own: the test runner's threads keep their cores.
        std::thread::spawn(|| {
            let allowed = affinity().unwrap();
            let last = *allowed.last().unwrap();
            let cores = Cores::within(&allowed).unwrap();
            assert_eq!(affinity().unwrap(), allowed);
            assert_eq!(cores.place(1).unwrap(), [0; 0]);
            assert_eq!(affinity().unwrap(), [last]);
            // What has several threads after that has all of them again.
            let all = allowed.len() as u32;
            if all > 1 {
                assert_eq!(cores.place(all).unwrap(), allowed);
                assert_eq!(affinity().unwrap(), allowed);
            }
            assert!(matches!(cores.place(all + 1), Err(PinError::Few { .. })));
        })
        .join()
        .unwrap();
    }
}
