//! An open device as a device, as campaigns use it.

use super::open::{Remote, SOON};
use crate::device::profile::Plateau;
use crate::device::{Continuity, Device, DeviceError, Facts, Vigilance, Workload, format};
use edgezen_core::foreign::{Name, shell_word};
use edgezen_core::measurement::Identity;
use edgezen_engine::runtimes;
use edgezen_runner::Measured;
use std::time::Duration;

impl Device for Remote {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        self.unnamed += 1;
        // The name of this process keeps them apart from those of an earlier process in the same campaign.
        self.measure_as(&format!("x{}-{}", self.run, self.unnamed), workload)
    }

    fn begin(&mut self, session: &str) {
        self.session = Name::resembling(session);
    }

    fn measure_as(&mut self, name: &str, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        // What a tool runs is said by its own description.
        if let Some(runtime) = runtimes::by_name(&self.running.runtime) {
            let device = self.identity.device.to_string();
            format::check_file(&device, workload, runtime.name(), runtime.file_ending())?;
        }
        let work = self.brought(workload)?;
        self.job(name, &work, workload)
    }

    fn stored(&mut self) {
        // If the file cannot be removed now, a later run removes it as an old one.
        let _ = self.link.shell(&format!("rm -f {}", shell_word(&self.results())), SOON);
    }

    fn finished(&mut self) {
        self.stored();
        if let Err(error) = self.release() {
            self.notes
                .push(format!("its settings could not be brought back ({error}); the next run does it"));
        }
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn usual_probe_ns(&self) -> Option<u64> {
        self.usual_probe_ns
    }

    fn usual_sentinel_ns(&self) -> Option<u64> {
        self.usual_sentinel_ns
    }

    fn differs_from(&self, predictor: &Identity) -> Option<String> {
        let ours = &self.identity;
        let differ = |what: &str, there: &Option<String>, here: &Option<String>| {
            let (there, here) = there.as_ref().zip(here.as_ref()).filter(|(there, here)| there != here)?;
            Some(format!("{what} {there} there, {here} here"))
        };
        let cores = differ("cores", &predictor.cores, &ours.cores);
        cores.or_else(|| differ("engine", &predictor.runtime_version, &ours.runtime_version))
    }

    fn vigilance(&self) -> Option<Vigilance> {
        let drift = self.profile.require.sentinel_drift_max?;
        let thermal = self.profile.thermal.as_ref();
        let seconds = |&s: &u32| Duration::from_secs(u64::from(s));
        let clusters = self.profile.clusters.iter().filter_map(|cluster| Some((cluster, cluster.max_khz?)));
        let usual = clusters.flat_map(|(cluster, khz)| cluster.cpus.iter().map(move |&cpu| (cpu, khz)));
        let locked = self.system.changed().locked_khz.iter().map(|(&cpu, &khz)| (cpu, khz));
        Some(Vigilance {
            drift,
            throttled: 2.0 * drift,
            // What is measured hot does not cool down before.
            rests: thermal
                .filter(|_| !self.identity.is_sustained())
                .map_or_else(Vec::new, |thermal| thermal.cooldown_s.iter().map(seconds).collect()),
            retries: 2,
            too_hot_c: thermal.and_then(|thermal| thermal.abort_c),
            cool_c: self.profile.require.start_temp_max_c,
            zones: thermal.map_or_else(Vec::new, |thermal| thermal.zones_by_type.clone()),
            thermal_status: self.profile.require.thermal_status_max,
            usual_khz: usual.chain(locked).collect(),
            sustained: self.identity.is_sustained(),
        })
    }

    fn plateau(&self) -> Option<Plateau> {
        self.identity.is_sustained().then_some(self.profile.measure.plateau)
    }

    fn heated(&mut self) {
        self.usual_probe_ns = None;
    }

    fn continuity(&self, earlier: &Facts) -> Continuity {
        let text =
            |facts: &Facts, name: &str| facts.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let changed = |name: &str| {
            let (then, now) = (text(earlier, name)?, text(&self.facts, name)?);
            (then != now).then(|| format!("{name} {then} then, {now} now"))
        };
        let other =
            ["serial", "build_fingerprint", "runner_sha256", "c_library_sha256", "runtime_library_sha256"]
                .into_iter()
                .find_map(changed);
        match (other, changed("boot_id")) {
            (Some(why), _) => Continuity::Other(why),
            (None, Some(why)) => Continuity::Restarted(why),
            (None, None) => Continuity::Same,
        }
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // After an error or a panic too. If this fails, the next start restores the settings.
        let _ = self.release();
    }
}
