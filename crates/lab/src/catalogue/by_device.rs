//! The predictor that the name of a device stands for.

use super::predictors::PredictorEntry;
use super::{Catalogue, Location, aliases};
use crate::device::computer;
use crate::device::profile::{Kind, Profile, ProfileError};
use crate::spelling;
use edgezen_core::files::FileError;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::file::Provenance;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The predictor that the name of a device stands for.
#[derive(Clone, Debug)]
pub struct DevicePredictor {
    /// `v100@tensorrt@fp16`.
    pub id: String,
    pub loaded: AnyPredictor,
    /// What a person should know before relying on it.
    pub notes: Vec<Note>,
}

/// What a person should know about a predictor before relying on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It is for this computer, but its data were measured on another one, with this CPU.
    OtherComputer { cpu: String },
    /// It is the user's own file, and another predictor of the same identity lies behind it.
    Hides { file: PathBuf, hidden: String },
}

/// How fast a device was while the data of a predictor were measured; absent where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// Length of a probe of the core's pace, in nanoseconds.
    pub probe_ns: Option<u64>,
    /// Median of the sentinel, in nanoseconds.
    pub sentinel_ns: Option<u64>,
}

impl Usual {
    /// What a predictor's file says.
    pub fn of(provenance: &Provenance) -> Usual {
        Usual { probe_ns: provenance.usual_probe_ns, sentinel_ns: provenance.usual_sentinel_ns }
    }
}

/// Why a name stands for no predictor.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("there is no predictor for {name}{}", why.map(|why| format!(": {why}")).unwrap_or_default())]
    NoPredictor {
        name: String,
        /// Why none is shipped, where that was looked into.
        why: Option<&'static str>,
        /// The predictors of this device for other runtimes and precisions, in alphabetical order.
        of_device: Vec<String>,
        /// How many predictors there are in all.
        known: usize,
    },
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Identities that users ask for and that no predictor is shipped for, with the reason.
const WITHOUT: [(&str, &str); 1] = [(
    "t4@tensorrt",
    "no public table has latencies of the T4 under TensorRT, and those of the V100 do not carry over to int8, because the \
     V100's tensor cores do not compute in int8",
)];

impl Catalogue {
    /// The predictor that `name` stands for; see [`super::Predictors::find`].
    ///
    /// # Errors
    /// There is none, or its file cannot be used.
    pub fn predictor(&self, name: &str) -> Result<DevicePredictor, CatalogueError> {
        let found = self.predictors.find(&self.profiles, name).map_err(|error| self.with_similar(error))?;
        let Some(entry) = found else {
            return Err(self.none_for(name)?);
        };
        let loaded = entry.load()?;
        let mut notes = self.notes(&loaded);
        notes.extend(self.hidden_by(&entry)?);
        Ok(DevicePredictor { id: entry.id, notes, loaded })
    }

    /// What a person should know of a predictor, wherever it comes from.
    pub fn notes(&self, loaded: &AnyPredictor) -> Vec<Note> {
        let other = self.other_cpu(loaded).map(|cpu| Note::OtherComputer { cpu: cpu.to_owned() });
        other.into_iter().collect()
    }

    /// Whether another predictor would be used if the file of `entry` were not there.
    fn hidden_by(&self, entry: &PredictorEntry) -> Result<Option<Note>, FileError> {
        let Location::File(file) = &entry.location else { return Ok(None) };
        let entries = self.predictors.entries()?;
        let mut others =
            entries.iter().filter(|other| other.id == entry.id && other.location != entry.location);
        let Some(hidden) = others.next() else { return Ok(None) };
        // In the source folder of this program the files are the shipped predictors themselves.
        let same = hidden.bytes().is_ok_and(|other| entry.bytes().is_ok_and(|ours| ours == other));
        let note = || Note::Hides { file: file.clone(), hidden: hidden.location.to_string() };
        Ok((!same).then(note))
    }

    /// The profile of the device called `name` (`pixel2`) or of the device of an identity (`pixel2@tract`). `None`: the
    /// device has a predictor and no profile, so that latencies on it can be predicted and not measured.
    ///
    /// # Errors
    /// A device with neither, and profiles that cannot be used.
    pub fn profile(&self, name: &str) -> Result<Option<Profile>, ProfileError> {
        let resolved = aliases::resolved(name.split('@').next().unwrap_or(name));
        let device = resolved.as_str();
        match self.profiles.by_name(device) {
            Ok(profile) => Ok(Some(profile)),
            Err(ProfileError::Unknown { .. }) if self.predicted_only(device)? => Ok(None),
            Err(error) => Err(self.with_similar(error)),
        }
    }

    /// The devices that have predictors and no profile, by name, each with the ids of its predictors.
    ///
    /// # Errors
    /// A folder of predictors that cannot be read.
    pub fn without_profile(&self) -> Result<BTreeMap<String, Vec<String>>, FileError> {
        let known: Vec<Profile> = self.profiles.usable().collect();
        let mut devices: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in self.predictors.entries()? {
            let device = entry.device();
            if known.iter().any(|profile| profile.is_called(device)) {
                continue;
            }
            let ids = devices.entry(device.to_owned()).or_default();
            if !ids.contains(&entry.id) {
                ids.push(entry.id.clone());
            }
        }
        Ok(devices)
    }

    /// Whether there is a predictor of the device, and no profile.
    ///
    /// # Errors
    /// A folder of predictors that cannot be read.
    pub fn predicted_only(&self, device: &str) -> Result<bool, FileError> {
        let entries = self.predictors.entries()?;
        Ok(self.profiles.by_name(device).is_err() && entries.iter().any(|entry| entry.device() == device))
    }

    /// The error of an unknown device, with the similar names among all devices: those with a profile, and those that
    /// have only a predictor.
    fn with_similar(&self, error: ProfileError) -> ProfileError {
        let ProfileError::Unknown { name, .. } = error else { return error };
        let with_profile = self.profiles.usable().flat_map(|profile| {
            let aliases = profile.aliases;
            std::iter::once(profile.id).chain(aliases)
        });
        let names: Vec<String> =
            with_profile.chain(self.without_profile().unwrap_or_default().into_keys()).collect();
        let near = spelling::similar(&name, names.iter().map(String::as_str));
        ProfileError::Unknown { name, near }
    }

    /// How fast the device was while the data of its predictor were measured. Nothing is known where no predictor tells, or where
    /// it was measured on another computer.
    pub fn usual(&self, name: &str) -> Usual {
        let Ok(DevicePredictor { loaded, notes, .. }) = self.predictor(name) else { return Usual::default() };
        let is_other = notes.iter().any(|note| matches!(note, Note::OtherComputer { .. }));
        match loaded {
            AnyPredictor::Kernels(predictor) if !is_other => Usual::of(&predictor.file().provenance),
            _ => Usual::default(),
        }
    }

    /// The CPU that a predictor of this computer was measured on, if it is another one than this computer's.
    fn other_cpu<'a>(&self, loaded: &'a AnyPredictor) -> Option<&'a str> {
        let cpu = loaded.cpu()?;
        let profile = self.profiles.by_name(&loaded.identity().device);
        let is_host = profile.is_ok_and(|profile| profile.kind == Kind::Host);
        (is_host && computer::cpu().as_deref() != Some(cpu)).then_some(cpu)
    }

    fn none_for(&self, name: &str) -> Result<CatalogueError, FileError> {
        let device = name.split('@').next().unwrap_or_default();
        let entries = self.predictors.entries()?;
        let mut ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let is_near = |id: &&&str| id.split('@').next() == Some(device);
        let without = WITHOUT.iter().find(|(begins, _)| name.starts_with(begins));
        Ok(CatalogueError::NoPredictor {
            name: name.to_owned(),
            why: without.map(|(_, why)| *why),
            of_device: ids.iter().filter(is_near).map(|id| (*id).to_owned()).collect(),
            known: ids.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_there_is_none_is_said_where_it_is_known() {
        let catalogue = crate::catalogue::of_repository();
        let said = |name: &str| catalogue.predictor(name).unwrap_err().to_string();
        assert!(said("t4@tensorrt@int8").contains("do not compute in int8"));
        assert_eq!(said("t4@onnx"), "there is no predictor for t4@onnx");
        let listed = catalogue.predictors.entries().unwrap();
        assert!(listed.iter().all(|entry| WITHOUT.iter().all(|(begins, _)| !entry.id.starts_with(begins))));
    }

    #[test]
    fn what_is_missing_is_named_with_what_there_is() {
        let catalogue = crate::catalogue::of_repository();
        match catalogue.predictor("pixel3@onnx") {
            Err(CatalogueError::NoPredictor { of_device, known, .. }) => {
                assert_eq!(of_device, ["pixel3@tflite@fp32", "pixel3@tflite@int8"]);
                assert!(known > 10);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(catalogue.predictor("pixel2").unwrap().notes, []);
        assert_eq!(catalogue.usual("pixel2").probe_ns, None);
    }

    #[test]
    fn devices_with_a_predictor_and_no_profile_are_known() {
        let catalogue = crate::catalogue::of_repository();
        for name in
            ["jetson_agx_orin", "orangepi5plus", "snapdragon410", "pixel1@tflite@fp32", "snapdragon855"]
        {
            assert_eq!(catalogue.profile(name).unwrap(), None, "{name}");
            catalogue.predictor(name).unwrap();
        }
        assert!(catalogue.profile("pixel2@tract").unwrap().is_some());
        let others = catalogue.without_profile().unwrap();
        assert_eq!(others["orangepi5plus"], ["orangepi5plus@ncnn@fp32"]);
        // A profile says how to measure, and the predictor is found as before.
        assert!(!others.contains_key("raspberrypi5") && catalogue.profile("raspberrypi5").unwrap().is_some());
        catalogue.predictor("raspberrypi5").unwrap();
        assert!(!others.contains_key("pixel2"));
        let near = |name: &str| match catalogue.profile(name) {
            Err(ProfileError::Unknown { near, .. }) => near,
            other => panic!("{other:?}"),
        };
        assert_eq!(near("rapsberrypi5")[0], "raspberrypi5");
        assert!(near("pixle2").contains(&"pixel2".to_owned()));
        assert_eq!(near("iphone"), Vec::<String>::new());
        assert!(matches!(
            catalogue.predictor("orangepi"),
            Err(CatalogueError::Profile(ProfileError::Unknown { near, .. })) if near.first().is_some_and(|first| first == "orangepi5")
        ));
    }

    #[test]
    fn a_predictor_of_another_computer_says_so() {
        let catalogue = crate::catalogue::of_repository();
        let host = catalogue.predictor("host").unwrap();
        let same = host.loaded.cpu() == computer::cpu().as_deref();
        assert_eq!(host.notes.is_empty(), same);
        assert!(same || catalogue.usual("host").probe_ns.is_none());
    }
}
