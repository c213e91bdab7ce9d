//! What is on the disk stays: no command replaces what it was not asked to replace, two of a kind do not work in one folder,
//! and what a search found is written whatever else fails.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use edgezen::dataset::Dataset;
use edgezen::runs;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SEARCH: [&str; 9] =
    ["search", "--params", "300k", "--layers", "10", "--resolution", "32", "--space", "resnet"];
/// A network that is quickly written.
const NET: &str = "SuperConvK3BNRELU(3,8,2,1)";

fn search<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SEARCH.iter().copied().chain(more.iter().copied()).collect()
}

/// All files below a folder, by path.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let inside = self::files(&entry.path()).into_iter();
            files.extend(inside.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    files
}

fn spawn(dir: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn await_file(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(120), "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a search as Ctrl-C does.
fn interrupt(child: Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(unix)]
#[test]
fn a_pipe_and_a_device_as_output_stay_what_they_are() {
    use std::os::unix::fs::FileTypeExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let export = |to: &str| edgezen(dir, &["export", NET, "--format", "json", "-o", to]);
    let written = export("net.json");
    assert!(written.status.success());
    let json = std::fs::read(dir.join("net.json")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.join("pipe")).status().unwrap().success());
    let pipe = dir.join("pipe");
    let reader = std::thread::spawn(move || std::fs::read(pipe).unwrap());
    assert!(export("pipe").status.success());
    assert_eq!(reader.join().unwrap(), json);
    assert!(std::fs::metadata(dir.join("pipe")).unwrap().file_type().is_fifo());
    assert!(export("/dev/null").status.success());
    // Only root may make devices.
    let null = dir.join("null");
    if Command::new("mknod").arg(&null).args(["c", "1", "3"]).status().is_ok_and(|status| status.success()) {
        assert!(export("null").status.success());
        assert!(std::fs::metadata(&null).unwrap().file_type().is_char_device());
    }
    // Standard output holds the data alone, also where it is a file that others write into as well.
    assert_eq!(export("/dev/stdout").stdout, json);
    let both = std::fs::File::create(dir.join("both")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    command.args(["export", NET, "--format", "json", "-o", "/dev/stdout"]).stdout(both.try_clone().unwrap());
    std::io::Write::write_all(&mut &both, b"before\n").unwrap();
    assert!(command.current_dir(dir).status().unwrap().success());
    assert_eq!(std::fs::read(dir.join("both")).unwrap(), [b"before\n", &json[..]].concat());
}

#[test]
fn a_finished_run_outlives_the_search_that_would_replace_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let run = dir.join("run");
    edgezen_json(dir, &search(&["--iterations", "3000", "--out", "run", "--json"]));
    let whole = files(&run);
    assert!(!whole.keys().any(|name| name.starts_with('.')), "{:?}", whole.keys());
    let again = search(&["--iterations", "3000", "--seed", "7", "--out", "run"]);
    refused(dir, &again, 2, &["run holds a finished run", "--force", "--resume"]);
    assert!(files(&run) == whole);
    // The new run is interrupted: the old one is as it was, and is reported.
    let long = search(&["--iterations", "400000000", "--seed", "7", "--out", "run", "--force"]);
    let child = spawn(dir, &long);
    await_file(&run.join(".next/run.toml"));
    std::thread::sleep(Duration::from_millis(200));
    interrupt(child);
    assert!(whole.iter().all(|(name, bytes)| std::fs::read(run.join(name)).ok().as_ref() == Some(bytes)));
    edgezen_json(dir, &["report", "run", "-o", "page.html", "--json"]);
    refused(dir, &again, 2, &["not finished", "--resume --out run"]);
    // A new one that ends takes its place; what the user put there stays.
    std::fs::write(run.join("notes.txt"), "mine").unwrap();
    let new = edgezen_json(dir, &[&again[..], &["--force", "--json"]].concat());
    assert_eq!((&new["seed"], &new["run_dir"]), (&7.into(), &"run".into()));
    let names: Vec<String> = files(&run).into_keys().filter(|name| name != "notes.txt").collect();
    assert_eq!(names, whole.into_keys().collect::<Vec<_>>());
    assert_eq!(runs::read_manifest(&run).unwrap().seed, 7);
    assert!(run.join("notes.txt").exists());
}

#[test]
fn a_replaced_run_that_was_killed_goes_on_to_the_same_result() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let base = ["--iterations", "60000", "--checkpoint-every", "5ms", "--out"];
    edgezen_json(dir, &search(&[&base[..], &["whole", "--seed", "2", "--json"]].concat()));
    edgezen_json(dir, &search(&["--iterations", "2000", "--out", "run", "--json"]));
    let mut child = spawn(dir, &search(&[&base[..], &["run", "--seed", "2", "--force"]].concat()));
    await_file(&dir.join("run/.next/checkpoint"));
    child.kill().unwrap();
    child.wait().unwrap();
    edgezen_json(dir, &["search", "--resume", "--out", "run", "--json"]);
    for name in ["run.toml", "best.txt", "best.onnx", "front.json", "front.csv", "history.csv"] {
        let read = |run: &str| std::fs::read(dir.join(run).join(name)).unwrap();
        assert!(read("run") == read("whole"), "{name}");
    }
    assert!(!dir.join("run/.next").exists());
}

#[test]
fn files_of_others_are_not_replaced_by_a_search() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("mine")).unwrap();
    for name in ["best.txt", "history.csv"] {
        std::fs::write(dir.join("mine").join(name), "mine").unwrap();
    }
    let before = files(&dir.join("mine"));
    refused(dir, &search(&["--iterations", "500", "--out", "mine"]), 2, &["best.txt", "--force"]);
    assert!(files(&dir.join("mine")) == before);
    edgezen_json(dir, &search(&["--iterations", "500", "--out", "mine", "--force", "--json"]));
    assert!(runs::read(&dir.join("mine")).is_ok());
}

#[test]
fn a_run_is_prolonged_and_keeps_what_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    edgezen_json(dir, &["profile", "--device", "simulated", "--samples", "60", "-o", "data", "--json"]);
    edgezen_json(dir, &["fit", "--data", "data", "--json"]);
    let args = ["search", "--device", "simulated", "--latency", "4ms", "--iterations", "6000", "--json"];
    let first = edgezen_json(dir, &[&args[..], &["--verify", "1", "--out", "run"]].concat());
    let measured = std::fs::read(dir.join("run/verified.json")).unwrap();
    let resume = ["search", "--resume", "--out", "run", "--json"];
    // It is shown again as it was, with what was measured.
    let shown = edgezen_json(dir, &resume);
    let nets = |result: &serde_json::Value, field: &str| -> Vec<String> {
        list(&result[field]).iter().map(|found| text(found, "net").to_owned()).collect()
    };
    for field in ["front", "verified"] {
        assert_eq!(nets(&shown, field), nets(&first, field), "{field}");
    }
    assert_eq!(shown["best"]["net"], first["best"]["net"]);
    assert_eq!(shown["iterations"], 6000);
    refused(dir, &[&resume[..], &["--iterations", "100"]].concat(), 2, &["6000", "prolong"]);
    let more = edgezen_json(dir, &[&resume[..], &["--iterations", "14000"]].concat());
    assert_eq!(more["iterations"], 14_000);
    assert_eq!(nets(&more, "verified"), nets(&first, "verified"));
    assert_eq!(std::fs::read(dir.join("run/verified.json")).unwrap(), measured);
    let manifest = runs::read_manifest(&dir.join("run")).unwrap();
    assert_eq!((manifest.rules.iterations, manifest.begun_with), (14_000, Some(6_000)));
    // Measured again: the earlier record stands beside the new one.
    edgezen_json(dir, &[&resume[..], &["--verify", "2"]].concat());
    assert_eq!(std::fs::read(dir.join("run/verified-1.json")).unwrap(), measured);
    assert_ne!(std::fs::read(dir.join("run/verified.json")).unwrap(), measured);
    // In pieces it comes to the same.
    edgezen_json(dir, &[&args[..], &["--out", "pieces"]].concat());
    let pieces = ["search", "--resume", "--out", "pieces", "--json", "--iterations"];
    let mut child = spawn(dir, &[&pieces[..], &["14000", "--checkpoint-every", "1ms"]].concat());
    await_file(&dir.join("pieces/.next/run.toml"));
    child.kill().unwrap();
    child.wait().unwrap();
    let pieces = edgezen_json(dir, &[&pieces[..], &["14000"]].concat());
    assert_eq!((&pieces["best"], &pieces["front"]), (&more["best"], &more["front"]));
    edgezen_json(dir, &["report", "run", "--json"]);
}

#[cfg(unix)]
#[test]
fn two_searches_in_one_folder_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let child = spawn(dir, &search(&["--iterations", "400000000", "--out", "run"]));
    await_file(&dir.join("run/run.toml"));
    let manifest = std::fs::read(dir.join("run/run.toml")).unwrap();
    for more in [&["--seed", "5"][..], &["--seed", "5", "--force"], &["--resume"]] {
        let second = search(&[&["--iterations", "500", "--out", "run"][..], more].concat());
        refused(dir, &second, 4, &["run is in use", &child.id().to_string()]);
    }
    assert_eq!(std::fs::read(dir.join("run/run.toml")).unwrap(), manifest);
    interrupt(child);
    assert!(dir.join("run/checkpoint").exists());
}

#[test]
fn two_profiles_in_one_folder_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let profile = |samples: &'static str, more: &[&'static str]| {
        let base = ["profile", "--device", "simulated", "--rounds", "1", "-o", "data", "--samples", samples];
        [&base[..], more].concat()
    };
    let mut child = spawn(dir, &profile("60", &["--simulate", "delay=100ms"]));
    await_file(&dir.join("data/plan.json"));
    let plan = std::fs::read(dir.join("data/plan.json")).unwrap();
    for more in [&[][..], &["--resume"], &["--force"]] {
        refused(dir, &profile("50", more), 4, &["data is in use"]);
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read(dir.join("data/plan.json")).unwrap(), plan);
    assert_eq!(Dataset::read(&dir.join("data")).unwrap().samples.len(), 60);
    // A finished dataset is not measured over, unless that is asked for.
    let before = files(&dir.join("data"));
    refused(dir, &profile("50", &[]), 2, &["data holds a dataset", "--force"]);
    assert!(files(&dir.join("data")) == before);
    edgezen_json(dir, &profile("50", &["--force", "--json"]));
    assert_eq!(Dataset::read(&dir.join("data")).unwrap().samples.len(), 50);
    assert_eq!(std::fs::read(dir.join("data/plan-1.json")).unwrap(), plan);
    // Nor is it imported or merged over, or made of itself.
    std::fs::create_dir(dir.join("other")).unwrap();
    for name in ["samples.parquet", "environment.json"] {
        std::fs::copy(dir.join("data").join(name), dir.join("other").join(name)).unwrap();
    }
    refused(dir, &["dataset", "merge", "data", "other", "-o", "./data", "--force"], 2, &["both read"]);
    refused(dir, &["dataset", "merge", "data", "data", "-o", "other"], 2, &["other holds a dataset"]);
}

#[test]
fn a_network_too_large_for_a_file_is_found_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = [
        "search",
        "--params",
        "1e18",
        "--layers",
        "4294967295",
        "--any-shape",
        "--iterations",
        "3000",
        "--out",
        "r",
    ];
    let found = edgezen_json(dir, &[&args[..], &["--json"]].concat());
    let note = list(&found["notes"])[0].as_str().unwrap();
    assert!(note.contains("best.onnx was not written"), "{note}");
    assert!(!dir.join("r/best.onnx").exists());
    assert_eq!(runs::read(&dir.join("r")).unwrap().best, text(&found["best"], "net"));
    let again = edgezen_json(dir, &["search", "--resume", "--out", "r", "--json"]);
    assert_eq!(again["best"]["net"], found["best"]["net"]);
    edgezen_json(dir, &["report", "r", "--json"]);
}

#[test]
fn the_front_is_a_table_with_the_winner_marked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = ["search", "--device", "pixel2", "--latency", "60ms", "--iterations", "3000", "--out", "run"];
    let found = edgezen_json(dir, &[&args[..], &["--json"]].concat());
    let mut reader = csv::Reader::from_path(dir.join("run/front.csv")).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    for column in ["best", "net", "score", "layers", "params", "flops", "pixel2_ms", "pixel2_upper_ms"] {
        assert!(header.iter().any(|name| name == column), "{column}: {header:?}");
    }
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(rows.len() >= list(&found["front"]).len());
    let winners: Vec<&csv::StringRecord> = rows.iter().filter(|row| &row[0] == "true").collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(&winners[0][1], text(&found["best"], "net"));
    let at = header.iter().position(|name| name == "pixel2_ms").unwrap();
    let ms = number(&found["best"]["latency"]["pixel2"], "ms");
    assert!((winners[0][at].parse::<f64>().unwrap() / ms - 1.0).abs() < 1e-12);
    // The table says all that is needed to predict its networks again.
    assert_eq!(header[header.len() - 3..], ["resolution", "classes", "se"]);
    assert_eq!([&winners[0][header.len() - 3], &winners[0][header.len() - 2]], ["224", "1000"]);
    let args = ["search", "--params", "300k", "--layers", "10", "--iterations", "300", "--resolution", "96"];
    let se = ["--classes", "7", "--se", "--device", "pixel2", "--latency", "60ms", "--out", "se", "--json"];
    edgezen_json(dir, &[&args[..], &se].concat());
    let predict =
        ["predict", "--device", "pixel2", "--networks", "se/front.csv", "-o", "again.csv", "--json"];
    edgezen_json(dir, &predict);
    let mut reader = csv::Reader::from_path(dir.join("again.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (found, again) = (at("pixel2_ms"), at("predicted_ms"));
    let mut count = 0;
    for row in reader.records().map(Result::unwrap) {
        let [found, again] = [&row[found], &row[again]].map(|ms| ms.parse::<f64>().unwrap());
        assert!((found / again - 1.0).abs() < 1e-6, "{found} {again}");
        count += 1;
    }
    assert!(count > 1);
}

#[test]
fn results_do_not_replace_files_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let kernels = "kind,in_c,out_c,in_h,kernel\nconv,64,64,56,3\n";
    std::fs::write(dir.join("k.csv"), kernels).unwrap();
    std::fs::write(dir.join("mine"), "mine").unwrap();
    std::fs::write(dir.join("out.csv"), "mine").unwrap();
    let predict = ["predict", "--device", "v100", "--kernels", "k.csv", "-o"];
    let export = ["export", NET, "--format", "json", "-o"];
    for command in [&predict[..], &export] {
        refused(dir, &[command, &["out.csv"]].concat(), 2, &["out.csv exists", "--force"]);
    }
    // The same result twice is no loss.
    for _ in 0..2 {
        assert!(edgezen(dir, &[&export[..], &["net.json"]].concat()).status.success());
    }
    // Input and output are one file, by whatever name.
    for name in ["k.csv", "./k.csv", &dir.join("k.csv").display().to_string()] {
        refused(dir, &[&predict[..], &[name, "--force"]].concat(), 2, &["both read"]);
    }
    assert_eq!(std::fs::read_to_string(dir.join("k.csv")).unwrap(), kernels);
    // What a killed process left is cleared.
    std::fs::write(dir.join(".edgezen-x1.tmp"), "half").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        symlink("k.csv", dir.join("link.csv")).unwrap();
        refused(dir, &[&predict[..], &["link.csv", "--force"]].concat(), 2, &["both read"]);
        symlink("mine", dir.join("link.json")).unwrap();
        refused(dir, &[&export[..], &["link.json"]].concat(), 2, &["exists"]);
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(dir.join("out.csv"), mode).unwrap();
        for name in ["link.json", "out.csv"] {
            assert!(edgezen(dir, &[&export[..], &[name, "--force"]].concat()).status.success());
        }
        assert_eq!(std::fs::read_to_string(dir.join("mine")).unwrap(), "mine");
        let mode = std::fs::metadata(dir.join("out.csv")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(!dir.join(".edgezen-x1.tmp").exists());
    assert!(edgezen(dir, &[&predict[..], &["out.csv", "--force"]].concat()).status.success());
    refused(dir, &[&export[..], &["."]].concat(), 2, &["is a folder"]);
}

#[test]
fn predictors_have_a_home() {
    let dir = tempfile::tempdir().unwrap();
    let (here, data) = (dir.path().join("here"), dir.path().join("data"));
    std::fs::create_dir(&here).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
        command.args(args).current_dir(&here).env("XDG_DATA_HOME", &data).output().unwrap()
    };
    let id = "pixel2@tflite@fp32";
    let json = |args: &[&str]| -> serde_json::Value {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let used = || json(&["predictors", "where", "pixel2", "--json"])["predictors"][0].clone();
    assert_eq!((text(&used(), "id"), text(&used(), "used")), (id, "shipped"));
    // A predictor of another device under this name.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("predictors");
    let file = shipped.join(format!("{id}.json"));
    let added = json(&["predictors", "add", file.to_str().unwrap(), "--json"]);
    let home = data.join("edgezen/predictors").join(format!("{id}.json"));
    assert_eq!(text(&added[0], "file"), home.to_str().unwrap());
    assert_eq!((text(&used(), "used"), &used()["hidden"][0]), (home.to_str().unwrap(), &"shipped".into()));
    // The same as the shipped one: nothing to say. Another one: it says so.
    let predict = ["predict", "--device", "pixel2", "resnet18"];
    let talk = |args: &[&str]| String::from_utf8(run(args).stderr).unwrap();
    assert!(!talk(&predict).contains("is used"), "{}", talk(&predict));
    std::fs::create_dir(here.join("predictors")).unwrap();
    let other = std::fs::read(shipped.join("pixel3@tflite@fp32.json")).unwrap();
    std::fs::write(here.join("predictors").join(format!("{id}.json")), other).unwrap();
    assert_eq!(text(&used(), "used"), format!("predictors/{id}.json"));
    assert_eq!(list(&used()["hidden"]).len(), 2);
    assert!(talk(&predict).contains("predictors where"), "{}", talk(&predict));
    let all = json(&["predictors", "where", "--json"]);
    assert_eq!(list(&all["folders"]).len(), 2);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_an_error_and_not_another_predictor() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    for name in ["predictors", "device-profiles"] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        // Nobody can read a link to itself; root reads every folder.
        symlink(name, dir.join(name)).unwrap();
        refused(dir, &["predict", "--device", "pixel2", "resnet18"], 1, &[name]);
        std::fs::remove_file(dir.join(name)).unwrap();
        std::fs::create_dir(dir.join(name)).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o000)).unwrap();
        if std::fs::read_dir(dir.join(name)).is_err() {
            refused(dir, &["predict", "--device", "pixel2", "resnet18"], 1, &[name, "ermission"]);
        }
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn a_network_file_that_the_disk_does_not_take_is_an_error_of_a_whole_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Files of 1 MB fit, and the network's has more.
    let limited = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" search --params 900k --iterations 300 -o r -q";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_edgezen")])
        .current_dir(dir)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for words in ["best.onnx", "no space", "edgezen search --resume --out r"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    let found = runs::read(&dir.join("r")).unwrap();
    for name in ["best.txt", "front.csv", "front.json", "result.json"] {
        assert!(dir.join("r").join(name).is_file(), "{name}");
    }
    // Shown again, it is still an error until the file can be written.
    let file = dir.join("r/best.onnx");
    std::fs::create_dir(&file).unwrap();
    std::fs::write(file.join("mine"), "mine").unwrap();
    let again = ["search", "--resume", "--out", "r", "-q"];
    refused(dir, &again, 2, &["best.onnx", "move away"]);
    std::fs::remove_dir_all(&file).unwrap();
    assert_eq!(edgezen(dir, &again).status.code(), Some(0));
    assert!(file.is_file());
    assert_eq!(runs::read(&dir.join("r")).unwrap().best, found.best);
}
