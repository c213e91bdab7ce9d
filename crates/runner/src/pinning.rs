//! Keeping a thread on a core of a device that switches cores on and off.

use super::conditions::{PinError, affinity, ask_for};
use std::time::Duration;

/// Attempts at pinning to cores of a device that switches cores on and off.
const ATTEMPTS: u32 = 5;
/// The pause between them.
const PAUSE: Duration = Duration::from_millis(40);

/// Pins the calling thread to one of `cores`, the last one that the system grants; where it grants no single one, to those of
/// them that it grants. Gives the cores that the thread may then run on: at least one, and none that was not asked for.
///
/// Phones switch cores off and isolate them, and the kernels of some leave such cores out of what they say of a thread.
///
/// # Errors
/// Cores that do not exist or are not allowed; a system that grants others, also after some attempts.
pub fn pin_within(cores: &[u32]) -> Result<Vec<u32>, PinError> {
    settle_on(cores, &ask_for, &affinity, &|| std::thread::sleep(PAUSE))
}

fn settle_on(
    cores: &[u32],
    set: &dyn Fn(&[u32]) -> Result<(), PinError>,
    get: &dyn Fn() -> Result<Vec<u32>, PinError>,
    pause: &dyn Fn(),
) -> Result<Vec<u32>, PinError> {
    let within = || -> Result<Vec<u32>, PinError> {
        set(cores)?;
        let got = get()?;
        let fits = !got.is_empty() && got.iter().all(|core| cores.contains(core));
        if fits { Ok(got) } else { Err(PinError::Ignored { asked: cores.to_vec(), got }) }
    };
    let mut left = ATTEMPTS;
    let granted = loop {
        left -= 1;
        match within() {
            Ok(granted) => break granted,
            Err(error) if left == 0 => return Err(error),
            Err(_) => pause(),
        }
    };
    for &core in granted.iter().rev() {
        if set(&[core]).is_ok() && get()? == [core] {
            return Ok(vec![core]);
        }
    }
    within()
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
        settle_on(asked, &set, &get, &|| ())
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
        assert_eq!(settle_on(&[6, 7], &|_| Ok(()), &get, &pause).unwrap(), [7]);
        assert_eq!(pauses.get(), 2);
        // A system that does not do what it is told is not believed.
        let other = settle_on(&[6, 7], &|_| Ok(()), &|| Ok(vec![0, 6]), &|| ());
        assert!(matches!(other, Err(PinError::Ignored { .. })));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_last_core_is_taken() {
        // In a thread of its own: the test runner's threads keep their cores.
        std::thread::spawn(|| {
            let allowed = affinity().unwrap();
            let last = *allowed.last().unwrap();
            assert_eq!(pin_within(&allowed).unwrap(), [last]);
            assert_eq!(affinity().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }
}
