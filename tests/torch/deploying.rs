//! From a search to a trained network in a runtime, on handwritten digits as PNG files.

use crate::commands::deploying::png;
use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number};
use edgezen::plainnet::published;
use edgezen::train::digits;
use edgezen_lab::device::runtimes::found;
use std::path::{Path, PathBuf};

const SIDE: usize = digits::SIDE;

/// Writes the first `count` digits as PNG files, in a folder for each class.
fn write_digits(dir: &Path, count: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/images/digits/digits.csv.gz");
    let digits = digits::read(&std::fs::read(&path).unwrap(), &path).unwrap();
    let area = SIDE * SIDE;
    for (index, (planes, label)) in digits.pixels.chunks(3 * area).zip(&digits.labels).take(count).enumerate()
    {
        let folder = dir.join(format!("digit-{label}"));
        std::fs::create_dir_all(&folder).unwrap();
        let rgb: Vec<u8> =
            (0..area).flat_map(|at| [0, 1, 2].map(|channel| planes[channel * area + at])).collect();
        let bytes = png(SIDE as u32, SIDE as u32, &rgb);
        std::fs::write(folder.join(format!("{index:04}.png")), bytes).unwrap();
    }
}

/// Searches a small network for the digits.
fn search(dir: &Path) {
    let args = [
        "search",
        "--space",
        "resnet",
        "--init",
        published::INIT_CIFAR,
        "--params",
        "40k",
        "--iterations",
        "2000",
    ];
    let images = ["--resolution", "16", "--classes", "10", "--out", "run", "--json"];
    edgezen_json(dir, &[&args[..], &images].concat());
}

#[test]
fn digits_are_searched_trained_and_deployed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_digits(&dir.join("pictures"), 1797);
    search(dir);
    let train = ["train", "run", "--data", "pictures", "--recipe", "short", "--no-mirror", "--epochs", "12"];
    let trained =
        edgezen_json(dir, &[&train[..], &["--threads", "2", "--out", "trained", "--json"]].concat());
    let test = number(&trained["test"]["top1"], "share");
    assert!(test > 0.9, "{trained}");
    assert_eq!(trained["test"]["images"], 359);
    let confusion = std::fs::read_to_string(dir.join("trained/confusion.csv")).unwrap();
    let counted: usize = confusion
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(counted, 359);
    assert_eq!(std::fs::read_to_string(dir.join("trained/classes.csv")).unwrap().lines().count(), 11);
    edgezen_json(dir, &["report", "trained", "--json"]);
    let page = std::fs::read_to_string(dir.join("trained/report.html")).unwrap();
    for part in ["Confusions", "of 359 test images", "digit-7", ">Accuracy<", "validation images"] {
        assert!(page.contains(part), "{part}");
    }
    let deploy = |device: &str, out: &str| {
        let args = ["deploy", "run", "--weights", "trained/best.safetensors", "--data", "pictures"];
        edgezen_json(dir, &[&args[..], &["--device", device, "-o", out, "--json"]].concat())
    };
    let share = |card: &serde_json::Value, what: &str| number(&card["accuracy"][what], "share");
    let card = deploy("host", "tract");
    assert!((share(&card, "top1") - test).abs() <= 0.005, "{} {test}", card["accuracy"]);
    for found in found().iter().filter(|found| found.library.is_some()) {
        let card = deploy(&format!("host@{}@int8", found.name), &found.name);
        assert!((share(&card, "top1_in_floats") - test).abs() <= 0.005, "{} {test}", card["accuracy"]);
        assert!(share(&card, "gain_over_floats") >= -0.015, "{}", card["accuracy"]);
        println!("{}: {}", found.name, card["accuracy"]);
    }
}

#[test]
fn finalists_are_trained_by_halves_and_go_on_where_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_digits(&dir.join("pictures"), 600);
    search(dir);
    let args =
        ["finalists", "run", "-k", "3", "--data", "pictures", "--epochs", "4", "--threads", "1", "--json"];
    let report = edgezen_json(dir, &[&args[..], &["--out", "three", "--no-mirror"]].concat());
    let rounds: Vec<(i64, i64)> = list(&report["rounds"])
        .iter()
        .map(|round| (round["networks"].as_i64().unwrap(), round["epochs"].as_i64().unwrap()))
        .collect();
    assert_eq!(rounds, [(3, 2), (2, 4)]);
    let epochs: Vec<i64> =
        list(&report["networks"]).iter().map(|of| of["epochs"].as_i64().unwrap()).collect();
    assert_eq!(epochs.iter().filter(|&&epochs| epochs == 4).count(), 2, "{epochs:?}");
    assert!(number(&report["test"], "lower") <= number(&report["test"], "share"));
    let winner = std::fs::read_to_string(dir.join("three/winner.txt")).unwrap();
    assert_eq!(Some(winner.trim()), report["winner"].as_str());
    let weights = PathBuf::from(report["weights"].as_str().unwrap());
    assert!(dir.join(&weights).exists());
    // The table is one that calibrations are fitted to.
    let table = std::fs::read_to_string(dir.join("three/accuracies.csv")).unwrap();
    assert!(table.starts_with("net,accuracy") && table.lines().count() == 4, "{table}");
    let out = edgezen(dir, &["calibrate", "--accuracies", "three/accuracies.csv", "-o", "c.json"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() || said.contains("networks"), "{said}");
    // On a page of their own, and on that of their search once they are in its folder.
    edgezen_json(dir, &["report", "three", "--json"]);
    let page = std::fs::read_to_string(dir.join("three/report.html")).unwrap();
    assert!(
        page.contains("Finalists in three") && page.contains("(winner)") && page.contains("network 3"),
        "{page}"
    );
    assert!(page.contains("Confusions"), "{page}");
    let without = edgezen_json(dir, &["report", "run", "--json"]);
    std::os::unix::fs::symlink("../three", dir.join("run/finalists")).unwrap();
    let with = edgezen_json(dir, &["report", "run", "--json"]);
    assert_eq!(list(&with["plots"]).len(), list(&without["plots"]).len() + 4, "{with}");
    let page = std::fs::read_to_string(dir.join("run/report.html")).unwrap();
    assert!(page.contains("Trained networks of this run") && page.contains("Accuracy of the finalists"));
    // Again, the same comes out without training.
    let again = edgezen_json(dir, &[&args[..], &["--out", "three", "--no-mirror", "--resume"]].concat());
    assert_eq!(
        (&again["winner"], &again["networks"], &again["test"]),
        (&report["winner"], &report["networks"], &report["test"])
    );
    refused(dir, &[&args[..], &["--out", "three", "--no-mirror"]].concat(), 2, &["--resume"]);
    // As jobs: each network of a round by itself, in any order of a round; whoever goes on with them finds the same table and winner.
    let work = ["finalists", "run", "-k", "3", "--data", "pictures", "--epochs", "4", "--no-mirror"];
    let plan = edgezen_json(dir, &[&["jobs", "plan", "--json", "-o", "jobs", "--"], &work[..]].concat());
    let jobs: Vec<&str> = list(&plan["jobs"]).iter().map(|job| job.as_str().unwrap()).collect();
    assert_eq!(jobs.len(), 5);
    let run = ["jobs", "run", "--threads", "1", "--json"];
    refused(dir, &[&run[..], &[jobs[4]]].concat(), 1, &["0 of 3 trainings of round 1", "that round first"]);
    for job in [2, 0, 1, 4, 3] {
        edgezen_json(dir, &[&run[..], &[jobs[job]]].concat());
    }
    edgezen_json(dir, &["jobs", "merge", "jobs", "-o", "rows.json", "--json"]);
    let rows: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("rows.json")).unwrap()).unwrap();
    assert_eq!(
        list(&rows).iter().map(|row| row["epochs"].as_i64().unwrap()).collect::<Vec<_>>(),
        [2, 2, 2, 4, 4]
    );
    let ended =
        edgezen_json(dir, &[&args[..], &["--out", "jobs/trainings", "--no-mirror", "--resume"]].concat());
    assert_eq!((&ended["winner"], &ended["test"]), (&report["winner"], &report["test"]));
    assert_eq!(std::fs::read_to_string(dir.join("jobs/trainings/accuracies.csv")).unwrap(), table);
    refused(dir, &[&["jobs", "plan", "--parts", "2", "-o", "x", "--"], &work[..]].concat(), 2, &["--parts"]);
}

#[test]
fn a_training_on_a_folder_goes_on_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_digits(&dir.join("pictures"), 300);
    let net = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,16,1)";
    let args = [
        "train",
        net,
        "--resolution",
        "16",
        "--data",
        "pictures",
        "--threads",
        "1",
        "--epochs",
        "3",
        "--ema",
        "0.9",
        "--mixup",
        "0.2",
        "--label-smoothing",
        "0.05",
        "--head-epochs",
        "1",
        "--no-mirror",
    ];
    edgezen_json(dir, &[&args[..], &["--out", "whole", "--json"]].concat());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args([&args[..], &["--out", "parts"]].concat())
        .current_dir(dir)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !dir.join("parts/checkpoint.safetensors").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // SAFETY: a signal to our own child.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    child.wait().unwrap();
    edgezen_json(dir, &[&args[..], &["--out", "parts", "--resume", "--json"]].concat());
    for file in
        ["last.safetensors", "best.safetensors", "metrics.csv", "checkpoint.safetensors", "confusion.csv"]
    {
        let read = |run: &str| std::fs::read(dir.join(run).join(file)).unwrap();
        assert!(read("whole") == read("parts"), "{file} differs");
    }
    // Weights of the first training are where a second one begins.
    let start = ["--start", "whole/best.safetensors", "--recipe", "fine-tune", "--out", "tuned", "--json"];
    let tuned = edgezen_json(dir, &[&args[..], &start].concat());
    assert_eq!(list(&tuned["history"]).len(), 3);
    refused(dir, &[&args[..], &["--recipe", "papr", "--out", "x"]].concat(), 2, &["paper, short, fine-tune"]);
    // A state dict of PyTorch has other names.
    let module = ["export", net, "--format", "pytorch", "--weights", "whole/best.safetensors", "-o", "there"];
    edgezen_json(dir, &[&module[..], &["--json"]].concat());
    let other = ["--start-from", "there/weights.safetensors", "--out", "y"];
    refused(dir, &[&args[..], &other].concat(), 7, &["none of its weights", "import-weights"]);
}

#[test]
fn folders_that_nothing_can_be_learnt_from_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_digits(&dir.join("pictures"), 200);
    let args =
        ["train", "SuperConvK3BNRELU(3,8,1,1)", "--resolution", "16", "--data", "pictures", "--epochs", "1"];
    std::fs::create_dir(dir.join("pictures/none")).unwrap();
    refused(dir, &args, 2, &["pictures/none", "no image"]);
    std::fs::remove_dir(dir.join("pictures/none")).unwrap();
    std::fs::write(dir.join("pictures/digit-3/note.png"), "a text").unwrap();
    std::fs::write(dir.join("pictures/digit-4/empty.jpg"), "").unwrap();
    refused(dir, &args, 7, &["note.png", "empty.jpg", "--skip-broken"]);
    assert!(!dir.join("runs").exists());
    let trained = edgezen_json(dir, &[&args[..], &["--skip-broken", "--json", "--threads", "1"]].concat());
    assert_eq!(list(&trained["history"]).len(), 1);
    refused(dir, &[&args[..5], &["nowhere"]].concat(), 2, &["nowhere"]);
}

/// A folder of two classes, in which odd files that can be read stand beside two that cannot.
#[test]
fn odd_files_are_learnt_from_and_broken_ones_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_digits(&dir.join("pictures"), 200);
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image_cases");
    let odd = ["cmyk.jpg", "grey16.png", "turned.jpg", "alpha.png", "palette.png", "lossy.webp", "grey.bmp"];
    for name in odd {
        std::fs::copy(cases.join(name), dir.join("pictures/digit-1").join(name)).unwrap();
    }
    let net = "SuperConvK3BNRELU(3,8,1,1)";
    let args = ["train", net, "--resolution", "16", "--data", "pictures", "--epochs", "1", "--threads", "1"];
    let images = |out: &str, extra: &[&str]| {
        let trained = edgezen_json(dir, &[&args[..], &["--out", out, "--json"], extra].concat());
        trained["test"]["images"].as_i64().unwrap()
    };
    let whole = images("whole", &[]);
    let jpeg = std::fs::read(cases.join("colour.jpg")).unwrap();
    std::fs::write(dir.join("pictures/digit-1/cut.jpg"), &jpeg[..jpeg.len() * 2 / 3]).unwrap();
    std::fs::write(dir.join("pictures/digit-2/text.png"), "a text").unwrap();
    let output = edgezen(dir, &[&args[..], &["--out", "none"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    for words in ["cut.jpg", "cut off", "text.png", "--skip-broken"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Only the two are named, and nothing was written.
    assert!(odd.iter().all(|name| !said.contains(name)) && !dir.join("none").exists(), "{said}");
    let left = images("left", &["--skip-broken"]);
    assert!((whole - 1..=whole + 1).contains(&left), "{whole} {left}");
    // A single class is nothing to tell apart.
    std::fs::create_dir(dir.join("one")).unwrap();
    std::fs::rename(dir.join("pictures/digit-0"), dir.join("one/digit-0")).unwrap();
    let one = ["train", net, "--resolution", "16", "--data", "one"];
    refused(dir, &one, 2, &["a single class (digit-0)"]);
}

/// A PNG file that says it has so many pixels, and ends soon after.
fn pretended(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1, 1, &[0; 3]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The checksum of a part of a PNG file.
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32, bit: u32| if (sum ^ bit) & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
    let of_byte = |sum: u32, &byte: &u8| (0..8).fold(sum, |sum, bit| step(sum, u32::from(byte) >> bit));
    !bytes.iter().fold(!0, of_byte)
}

#[cfg(unix)]
#[test]
fn files_that_would_stop_a_training_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_digits(&dir.join("pictures"), 200);
    let place = dir.join("pictures/digit-2");
    std::fs::write(place.join("huge.png"), pretended(100_000, 100_000)).unwrap();
    std::fs::write(place.join("long.png"), pretended(u32::MAX >> 1, 1)).unwrap();
    std::os::unix::fs::symlink("nowhere.png", place.join("dangling.png")).unwrap();
    let pipe = std::ffi::CString::new(place.join("pipe.png").to_str().unwrap()).unwrap();
    // SAFETY: the path is a string that ends in a zero.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let secret = place.join("secret.png");
    std::fs::write(&secret, png(1, 1, &[0; 3])).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut named = vec!["huge.png", "long.png", "dangling.png", "pipe.png"];
    // The superuser can read everything.
    if std::fs::read(&secret).is_err() {
        named.push("secret.png");
    }
    // A folder with the name of an image is one.
    std::fs::create_dir(place.join("folder.png")).unwrap();
    let net = "SuperConvK3BNRELU(3,8,1,1)";
    let args = ["train", net, "--resolution", "16", "--data", "pictures", "--epochs", "1", "--threads", "1"];
    let output = edgezen(dir, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains(&format!("{} files are no images", named.len())), "{said}");
    assert!(named.iter().all(|name| said.contains(name)) && said.contains("it is no file"), "{said}");
    assert!(!dir.join("runs").exists());
    let trained = edgezen_json(dir, &[&args[..], &["--skip-broken", "--json"]].concat());
    assert_eq!(list(&trained["history"]).len(), 1);
}

#[test]
fn ten_thousand_classes_are_learnt_from() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for class in 0..10_000_u32 {
        let folder = dir.join(format!("pictures/{class:05}"));
        std::fs::create_dir_all(&folder).unwrap();
        for image in 0..3_u32 {
            let rgb: Vec<u8> = (0..8 * 8 * 3).map(|at| (at * 7 + class * 13 + image) as u8).collect();
            std::fs::write(folder.join(format!("{image}.png")), png(8, 8, &rgb)).unwrap();
        }
    }
    let net = "SuperConvK3BNRELU(3,4,2,1)";
    let args = ["train", net, "--resolution", "8", "--data", "pictures", "--epochs", "1", "--batch", "1024"];
    let trained = edgezen_json(dir, &[&args[..], &["--json"]].concat());
    assert!(trained["test"]["images"].as_i64().unwrap() >= 5_000, "{trained}");
    let classes = std::fs::read_to_string(dir.join("runs/train/classes.csv")).unwrap();
    assert_eq!(classes.lines().count(), 10_001);
    let confusion = std::fs::metadata(dir.join("runs/train/confusion.csv")).unwrap().len();
    assert!(confusion < 1_000_000, "{confusion} bytes: only pairs that occur are listed");
}
