//! The folder of a plan:
//!
//! ```text
//! plan.json            the jobs in their order, with their checksums
//! job-00000.json …     one job each
//! results/CHECKSUM.json   the result of the job with this checksum
//! runs/CHECKSUM-seedN/    the folder of a search of that job
//! trainings/network-N/    the training of a finalist, with its checkpoint
//! ```

use super::JobError;
use super::job::{self, Job, Work};
use crate::files::holding::names::jobs::{self as names, RESULTS, RUNS, TRAININGS};
use crate::files::holding::{Holding, refuse_others};
use crate::files::{read, read_json, write_atomically};
use edgezen_core::digest::sha256;
use edgezen_core::files::{FileError, Format};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// What lists the jobs of a plan.
pub const PLAN_FILE: &str = names::PLAN;

const PLAN: Format =
    Format { name: "plan of jobs", field: "plan_version", oldest: 1, newest: 2, most_bytes: 1 << 28 };
const RESULT: Format =
    Format { name: "result of a job", field: "result_version", oldest: 1, newest: 1, most_bytes: 1 << 31 };

/// The jobs of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    plan_version: u32,
    /// Checksum of the list: a list that was cut short is otherwise like one of fewer jobs. Plans of version 1 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    jobs: Vec<Planned>,
}

impl Plan {
    fn new(jobs: Vec<Planned>) -> Plan {
        Plan { plan_version: PLAN.newest, sha256: Some(listed(&jobs)), jobs }
    }

    /// Whether the list is the one that was written.
    fn is_whole(&self) -> bool {
        match &self.sha256 {
            Some(sha256) => *sha256 == listed(&self.jobs),
            None => self.plan_version == 1,
        }
    }
}

/// The checksum of a list of jobs.
fn listed(jobs: &[Planned]) -> String {
    let lines: String = jobs.iter().map(|Planned { file, sha256 }| format!("{sha256}  {file}\n")).collect();
    sha256(lines)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    /// The name of its file.
    file: String,
    sha256: String,
}

/// What a job gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobResult {
    result_version: u32,
    /// Checksum of the job.
    job: String,
    /// Checksum of the rows, one a line.
    sha256: String,
    /// One for each item of the job, in their order: JSON as text, so that no number is read and written again.
    rows: Vec<String>,
}

/// Whether a result was made, or there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    Now,
    Before,
}

/// How far the jobs of a plan are: their files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    pub done: Vec<PathBuf>,
    pub missing: Vec<PathBuf>,
    /// Jobs whose result cannot be read.
    pub damaged: Vec<DamagedResult>,
    /// Those of the missing ones that cannot be done, because their file is not there as it was planned.
    pub lost: Vec<LostJob>,
}

/// A job without a result whose file is not there as it was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostJob {
    /// The file of the job.
    pub job: PathBuf,
    pub reason: String,
}

/// A job whose result cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedResult {
    /// The file of the job.
    pub job: PathBuf,
    pub reason: String,
}

/// The folder of a plan.
#[derive(Clone, Debug)]
pub struct JobFolder {
    path: PathBuf,
    plan: Plan,
}

impl JobFolder {
    /// Writes the plan of `work` in `parts` into the folder at `path`, which is made. The same plan may be there already.
    ///
    /// # Errors
    /// No work; another plan is there; whatever the disk says.
    pub fn plan(path: &Path, work: &Work, parts: usize) -> Result<JobFolder, JobError> {
        if work.items() == 0 {
            return Err(JobError::Nothing);
        }
        let jobs: Vec<(String, Vec<u8>)> = work
            .cut(parts)
            .into_iter()
            .enumerate()
            .map(|(index, work)| Ok((format!("job-{index:05}.json"), text(&Job::new(work))?)))
            .collect::<Result<_, FileError>>()?;
        let planned =
            |(file, bytes): &(String, Vec<u8>)| Planned { file: file.clone(), sha256: sha256(bytes) };
        let plan = Plan::new(jobs.iter().map(planned).collect());
        let list = text(&plan)?;
        refuse_others(path, Holding::Jobs)?;
        let place = path.join(PLAN_FILE);
        if place.exists() && read(&PLAN, &place)? != list {
            let what = "holds another plan".into();
            return Err(FileError::InTheWay { path: place, what }.into());
        }
        // Where there is no plan yet, a file of that name may be somebody's. A job is of a plan that was cut off.
        for (file, _) in &jobs {
            let at = path.join(file);
            if !place.exists() && at.exists() && read_json::<Job>(&job::FORMAT, &at).is_err() {
                return Err(FileError::InTheWay { path: at, what: "is no job of a plan".into() }.into());
            }
        }
        fs::create_dir_all(path).map_err(FileError::io(path))?;
        for (file, bytes) in &jobs {
            write_atomically(&path.join(file), bytes)?;
        }
        // The plan last: where it is, all of its jobs are.
        write_atomically(&place, &list)?;
        Ok(JobFolder { path: path.to_owned(), plan })
    }

    /// The folder at `path`.
    ///
    /// # Errors
    /// It holds no plan, or one that was damaged or changed.
    pub fn open(path: &Path) -> Result<JobFolder, JobError> {
        let place = path.join(PLAN_FILE);
        let plan: Plan = read_json(&PLAN, &place).map_err(|error| match error {
            FileError::Damaged { .. } | FileError::NotOurs { .. } => JobError::Plan(error),
            other => JobError::File(other),
        })?;
        if !plan.is_whole() {
            return Err(JobError::Plan(FileError::Checksum { path: place }));
        }
        let is_plain =
            |planned: &Planned| Path::new(&planned.file).file_name() == Some(planned.file.as_ref());
        if let Some(foreign) = plan.jobs.iter().find(|planned| !is_plain(planned)) {
            let reason = format!("{:?} is no name of a file beside it", foreign.file);
            return Err(JobError::Plan(FileError::damaged(&place, reason)));
        }
        Ok(JobFolder { path: path.to_owned(), plan })
    }

    /// The folder that the job in `file` belongs to, and the job with its checksum.
    ///
    /// # Errors
    /// No job; one that is in no plan, was changed since, or was planned by another version of the program.
    pub fn of_job(file: &Path) -> Result<(JobFolder, Job, String), JobError> {
        let job: Job = read_json(&job::FORMAT, file)?;
        let beside = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !beside.join(PLAN_FILE).is_file() {
            return Err(JobError::NoPlan { path: file.to_owned() });
        }
        let folder = JobFolder::open(beside)?;
        let found = sha256(read(&job::FORMAT, file)?);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        match folder.plan.jobs.iter().find(|planned| planned.file == name) {
            None => return Err(JobError::NoPlan { path: file.to_owned() }),
            Some(planned) if planned.sha256 != found => {
                let planned = planned.sha256.clone();
                return Err(JobError::Changed { path: file.to_owned(), found, planned });
            }
            Some(_) => {}
        }
        let own = env!("CARGO_PKG_VERSION");
        if job.tool_version != own {
            let planned = job.tool_version;
            return Err(JobError::Version { path: file.to_owned(), planned, own });
        }
        Ok((folder, job, found))
    }

    /// Refuses jobs of which some have damaged results, before any of them is done. Each is given by its folder and its checksum.
    ///
    /// # Errors
    /// Damaged results, all of them.
    pub fn check_results<'a>(jobs: impl Iterator<Item = (&'a JobFolder, &'a str)>) -> Result<(), JobError> {
        let mut all = Vec::new();
        for (folder, job) in jobs {
            match folder.rows(job) {
                Err(JobError::Results { damaged }) => all.extend(damaged),
                other => {
                    other?;
                }
            }
        }
        if all.is_empty() { Ok(()) } else { Err(JobError::Results { damaged: all }) }
    }

    /// The files of the jobs, in their order.
    pub fn jobs(&self) -> Vec<PathBuf> {
        self.plan.jobs.iter().map(|planned| self.path.join(&planned.file)).collect()
    }

    /// All files that the plan consists of, and those of the results.
    pub fn files(&self) -> Vec<PathBuf> {
        let results = self.plan.jobs.iter().map(|planned| self.result(&planned.sha256));
        [self.path.join(PLAN_FILE)].into_iter().chain(self.jobs()).chain(results).collect()
    }

    /// Where the search with `seed` of the job with this checksum lies.
    pub fn run(&self, job: &str, seed: u64) -> PathBuf {
        self.path.join(RUNS).join(format!("{job}-seed{seed}"))
    }

    /// Where the trainings of all jobs lie: those of a round go on from there.
    pub fn trainings(&self) -> PathBuf {
        self.path.join(TRAININGS)
    }

    /// The rows of the jobs that are done, in the order of the plan.
    ///
    /// # Errors
    /// Damaged results.
    pub fn done(&self) -> Result<Vec<String>, JobError> {
        let results = self.results(self.plan.jobs.iter().map(|planned| &*planned.sha256))?;
        Ok(results.into_iter().flatten().flatten().collect())
    }

    /// The file of the result of the job with this checksum.
    pub fn result(&self, job: &str) -> PathBuf {
        self.path.join(RESULTS).join(format!("{job}.json"))
    }

    /// Has `work` make the rows of the job with this checksum, unless its result is there.
    ///
    /// # Errors
    /// A result that is damaged; whatever `work` or the disk says.
    pub fn make<E: From<JobError>>(
        &self,
        job: &str,
        work: impl FnOnce() -> Result<Vec<String>, E>,
    ) -> Result<Made, E> {
        if self.rows(job)?.is_some() {
            return Ok(Made::Before);
        }
        let rows = work()?;
        let sha256 = checksum(&rows);
        let result = JobResult { result_version: RESULT.newest, job: job.to_owned(), sha256, rows };
        let place = self.result(job);
        let folder = self.path.join(RESULTS);
        fs::create_dir_all(&folder).map_err(FileError::io(&folder)).map_err(JobError::from)?;
        let bytes = text(&result).map_err(JobError::from)?;
        write_atomically(&place, &bytes).map_err(JobError::from)?;
        Ok(Made::Now)
    }

    /// The rows of the job with this checksum; `None` where it was not run.
    fn rows(&self, job: &str) -> Result<Option<Vec<String>>, JobError> {
        let place = self.result(job);
        if !place.exists() {
            return Ok(None);
        }
        let result: JobResult = read_json(&RESULT, &place).map_err(|error| match error {
            FileError::Damaged { .. } | FileError::NotOurs { .. } => {
                JobError::Results { damaged: vec![error] }
            }
            other => JobError::File(other),
        })?;
        if result.job != job || checksum(&result.rows) != result.sha256 {
            return Err(JobError::Results { damaged: vec![FileError::Checksum { path: place }] });
        }
        Ok(Some(result.rows))
    }

    /// The rows of each of several jobs; `None` where one was not run.
    ///
    /// # Errors
    /// Damaged results, all of them.
    fn results<'a>(&self, jobs: impl Iterator<Item = &'a str>) -> Result<Vec<Option<Vec<String>>>, JobError> {
        let (mut results, mut all) = (Vec::new(), Vec::new());
        for job in jobs {
            match self.rows(job) {
                Ok(rows) => results.push(rows),
                Err(JobError::Results { damaged }) => all.extend(damaged),
                Err(other) => return Err(other),
            }
        }
        if all.is_empty() { Ok(results) } else { Err(JobError::Results { damaged: all }) }
    }

    /// Why a job of the plan cannot be done; `None` where its file is as it was planned.
    fn lost(&self, planned: &Planned) -> Option<String> {
        match read(&job::FORMAT, &self.path.join(&planned.file)) {
            Err(error) if error.is_missing() => Some("the file of the job is not there".into()),
            Err(error) => Some(error.to_string()),
            Ok(bytes) if sha256(&bytes) != planned.sha256 => {
                Some("the job is not the one that was planned".into())
            }
            Ok(_) => None,
        }
    }

    /// How far the jobs are.
    pub fn status(&self) -> Status {
        let mut status = Status::default();
        for planned in &self.plan.jobs {
            let file = self.path.join(&planned.file);
            match self.rows(&planned.sha256) {
                Ok(Some(_)) => status.done.push(file),
                Ok(None) => {
                    let lost = self.lost(planned);
                    status.lost.extend(lost.map(|reason| LostJob { job: file.clone(), reason }));
                    status.missing.push(file);
                }
                Err(error) => {
                    status.damaged.push(DamagedResult { job: file, reason: error.to_string() });
                }
            }
        }
        status
    }

    /// The rows of all jobs, in the order of the plan: the text of a JSON list, which is the same for any number of parts and wherever
    /// they were made.
    ///
    /// # Errors
    /// Jobs without a result, and damaged results.
    pub fn merged(&self) -> Result<Vec<u8>, JobError> {
        let (mut rows, mut missing) = (Vec::new(), Vec::new());
        let results = self.results(self.plan.jobs.iter().map(|planned| &*planned.sha256))?;
        for (planned, result) in self.plan.jobs.iter().zip(results) {
            match result {
                Some(found) => rows.extend(found),
                None => missing.push(self.path.join(&planned.file)),
            }
        }
        if !missing.is_empty() {
            return Err(JobError::Missing { missing, of: self.plan.jobs.len() });
        }
        Ok(format!("[\n{}\n]\n", rows.join(",\n")).into_bytes())
    }
}

/// The text of a value as files hold it.
fn text(value: &impl Serialize) -> Result<Vec<u8>, FileError> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| FileError::damaged(Path::new("JSON"), error))?;
    text.push(b'\n');
    Ok(text)
}

/// The checksum of rows, one a line.
fn checksum(rows: &[String]) -> String {
    sha256(rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn work() -> Work {
        let nets = (0..7).map(|net| format!("net{net}")).collect();
        Work::Score { options: vec!["--engine".into(), "exact".into()], nets }
    }

    /// Runs one job: each net becomes a row.
    fn run(file: &Path) -> Result<Made, JobError> {
        let (folder, job, id) = JobFolder::of_job(file)?;
        let Work::Score { nets, .. } = job.work else { panic!("another command") };
        folder.make(&id, || {
            Ok(nets.iter().map(|net| json!({"net": net, "score": 0.1 + 0.2}).to_string()).collect())
        })
    }

    #[test]
    fn any_number_of_parts_in_any_order_gives_the_same_bytes() {
        let mut texts = Vec::new();
        for parts in [1, 2, 3, 7, 100] {
            let dir = tempfile::tempdir().unwrap();
            let folder = JobFolder::plan(dir.path(), &work(), parts).unwrap();
            assert_eq!(folder.jobs().len(), parts.min(7));
            for file in folder.jobs().iter().rev() {
                assert_eq!(run(file).unwrap(), Made::Now);
                assert_eq!(run(file).unwrap(), Made::Before);
            }
            // The same plan again changes nothing; another one is refused.
            JobFolder::plan(dir.path(), &work(), parts).unwrap();
            let other = Work::Score { options: Vec::new(), nets: vec!["x".into()] };
            assert!(matches!(
                JobFolder::plan(dir.path(), &other, parts),
                Err(JobError::File(FileError::InTheWay { .. }))
            ));
            texts.push(JobFolder::open(dir.path()).unwrap().merged().unwrap());
        }
        assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
        let rows: Vec<Value> = serde_json::from_slice(&texts[0]).unwrap();
        assert_eq!(rows.len(), 7);
        assert_eq!(rows[3], json!({"net": "net3", "score": 0.1 + 0.2}));
    }

    #[test]
    fn what_is_missing_changed_or_damaged_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::plan(dir.path(), &work(), 3).unwrap();
        let files = folder.jobs();
        let [first, second, third] = &files[..] else { panic!("three jobs") };
        run(first).unwrap();
        run(third).unwrap();
        match folder.merged() {
            Err(JobError::Missing { missing, of: 3 }) => assert_eq!(missing, std::slice::from_ref(second)),
            other => panic!("{other:?}"),
        }
        let changed = fs::read_to_string(second).unwrap().replace("net2", "net1");
        fs::write(second, changed).unwrap();
        assert!(matches!(run(second), Err(JobError::Changed { .. })));
        let lost = |folder: &JobFolder| -> Vec<PathBuf> {
            folder.status().lost.into_iter().map(|lost| lost.job).collect()
        };
        assert_eq!(lost(&folder), std::slice::from_ref(second));
        fs::remove_file(second).unwrap();
        assert_eq!(lost(&folder), std::slice::from_ref(second));
        // What is done needs its file no longer.
        fs::rename(first, dir.path().join("kept")).unwrap();
        assert_eq!(lost(&folder), std::slice::from_ref(second));
        fs::rename(dir.path().join("kept"), first).unwrap();
        let (folder, _, id) = JobFolder::of_job(first).unwrap();
        let place = folder.result(&id);
        fs::write(&place, fs::read_to_string(&place).unwrap().replace("0.3", "0.4")).unwrap();
        assert!(matches!(run(first), Err(JobError::Results { .. })));
        let alone = dir.path().join("elsewhere");
        fs::create_dir(&alone).unwrap();
        fs::copy(third, alone.join("job-00002.json")).unwrap();
        assert!(matches!(run(&alone.join("job-00002.json")), Err(JobError::NoPlan { .. })));
        assert!(matches!(
            JobFolder::plan(&alone, &Work::Score { options: vec![], nets: vec![] }, 2),
            Err(JobError::Nothing)
        ));
        let list = fs::read_to_string(dir.path().join(PLAN_FILE)).unwrap();
        fs::write(dir.path().join(PLAN_FILE), list.replace("job-00001", "../job-00001")).unwrap();
        assert!(matches!(JobFolder::open(dir.path()), Err(JobError::Plan(FileError::Checksum { .. }))));
        let foreign =
            list.replace("job-00001", "../job-00001").replace("\"plan_version\": 2", "\"plan_version\": 1");
        let lines = foreign.lines().filter(|line| !line.starts_with("  \"sha256\""));
        fs::write(dir.path().join(PLAN_FILE), lines.collect::<Vec<_>>().join("\n")).unwrap();
        assert!(matches!(JobFolder::open(dir.path()), Err(JobError::Plan(FileError::Damaged { .. }))));
    }

    /// The text of a plan without one of its jobs.
    fn without(text: &str, at: usize) -> String {
        let mut plan: Value = serde_json::from_str(text).unwrap();
        plan["jobs"].as_array_mut().unwrap().remove(at);
        plan.to_string()
    }

    #[test]
    fn a_plan_that_was_cut_short_is_no_smaller_plan() {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::plan(dir.path(), &work(), 3).unwrap();
        assert!(folder.jobs().iter().all(|file| run(file).is_ok()));
        let place = dir.path().join(PLAN_FILE);
        let whole = fs::read_to_string(&place).unwrap();
        for at in 0..3 {
            fs::write(&place, without(&whole, at)).unwrap();
            let refused = JobFolder::open(dir.path()).unwrap_err();
            assert!(matches!(refused, JobError::Plan(FileError::Checksum { .. })), "{refused}");
        }
        fs::write(&place, without(&whole, 2).replace("\"sha256\":", "\"sha\":")).unwrap();
        assert!(matches!(JobFolder::open(dir.path()), Err(JobError::Plan(FileError::Damaged { .. }))));
        // The same work makes it whole again, and what is done stays.
        fs::remove_file(&place).unwrap();
        let again = JobFolder::plan(dir.path(), &work(), 3).unwrap();
        assert_eq!((fs::read_to_string(&place).unwrap(), again.status().done.len()), (whole, 3));
    }

    #[test]
    fn all_damaged_results_are_named_together() {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::plan(dir.path(), &work(), 4).unwrap();
        let opened: Vec<_> = folder.jobs().iter().map(|file| JobFolder::of_job(file).unwrap()).collect();
        assert!(folder.jobs().iter().all(|file| run(file).is_ok()));
        let check = || JobFolder::check_results(opened.iter().map(|(folder, _, id)| (folder, &**id)));
        check().unwrap();
        let damaged = [1, 3].map(|at: usize| folder.result(&opened[at].2));
        fs::write(&damaged[0], "").unwrap();
        fs::write(&damaged[1], fs::read_to_string(&damaged[1]).unwrap().replace("0.3", "0.4")).unwrap();
        for refused in [check().unwrap_err(), folder.merged().unwrap_err(), folder.done().unwrap_err()] {
            let said = refused.to_string();
            assert!(said.starts_with("2 results are damaged"), "{said}");
            assert!(damaged.iter().all(|path| said.contains(&*path.to_string_lossy())), "{said}");
        }
        assert_eq!(folder.status().damaged.len(), 2);
    }

    /// A file that bears the name of a job may be anybody's where there is no plan.
    #[test]
    fn a_plan_replaces_no_file_of_somebody_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("job-00000.json");
        fs::write(&file, "precious").unwrap();
        let refused = JobFolder::plan(dir.path(), &work(), 2);
        assert!(matches!(refused, Err(JobError::File(FileError::InTheWay { .. }))), "{refused:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // Jobs of a plan that was cut off before its list was written are planned again, also in other parts.
        fs::remove_file(&file).unwrap();
        JobFolder::plan(dir.path(), &work(), 2).unwrap();
        fs::remove_file(dir.path().join(PLAN_FILE)).unwrap();
        JobFolder::plan(dir.path(), &work(), 3).unwrap();
        assert_eq!(JobFolder::open(dir.path()).unwrap().jobs().len(), 3);
    }
}
